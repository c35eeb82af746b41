//! A door of its own over `shared_session::http`: a response that is not sent leaves nobody without a session.

use shared_session::http::{Change, Exchange, Facts, Outcome, Wish};
use shared_session::{SessionManager, Settings};

async fn begin(sessions: &SessionManager, cookie: &str) -> Exchange {
    let facts = Facts {
        is_safe: false,
        is_https: false,
        extends_idle_timeout: true,
    };
    sessions.begin([cookie.as_bytes()].into_iter(), facts).await.unwrap()
}

/// Returns the cookie that a response with these headers sets.
fn send(outcome: Outcome) -> String {
    let headers = outcome.headers(|_| std::iter::empty()).into_iter().flatten();
    let (_, cookie) = headers.into_iter().find(|(name, _)| *name == "set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn has_session(sessions: &SessionManager, cookie: &str) -> bool {
    begin(sessions, cookie).await.fields().next().is_some()
}

#[tokio::test]
async fn renewal_whose_response_is_not_sent_is_undone() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let change = || Change::default().with_field("a", "1");
    let begun = begin(&sessions, "").await.finish(Wish::Keep, change(), None).await;
    let old = send(begun.unwrap());
    for is_sent in [false, true] {
        let renewed = begin(&sessions, &old).await.finish(Wish::Renew, change(), None).await;
        let outcome = renewed.unwrap();
        if is_sent {
            assert!(has_session(&sessions, &send(outcome)).await);
        } else {
            drop(outcome);
        }
        sessions.drain().await;
        assert_eq!(has_session(&sessions, &old).await, !is_sent);
    }
}
