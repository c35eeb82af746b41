//! Doors of their own over `shared_session::http`.

use shared_session::http::{Change, Exchange, Outcome, Wish};
use shared_session::{Error, SessionManager, Settings};

use crate::exchanges::{self, cookie_of, facts, setting};

async fn begin(sessions: &SessionManager, cookie: &str) -> Exchange {
    exchanges::begin(sessions, cookie, false).await.unwrap()
}

/// Begins a session with these fields, and returns its cookie.
async fn create(sessions: &SessionManager, fields: &[(&str, &str)]) -> String {
    let created = begin(sessions, "")
        .await
        .finish(Wish::Keep, setting(fields), None)
        .await;
    send(created.unwrap())
}

/// Sends a response, and returns the cookie that it sets.
fn send(outcome: Outcome) -> String {
    cookie_of(outcome).unwrap()
}

async fn has_session(sessions: &SessionManager, cookie: &str) -> bool {
    begin(sessions, cookie).await.fields().next().is_some()
}

#[tokio::test]
async fn renewal_whose_response_is_not_sent_is_undone() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let change = || Change::default().with_field("a", "1");
    let old = create(&sessions, &[("a", "1")]).await;
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

#[tokio::test]
async fn session_that_ended_is_not_begun_again_by_a_request_that_had_it() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let cookie = create(&sessions, &[("a", "1")]).await;
    let again = async |had_session| {
        let cookies = [cookie.as_bytes()].into_iter();
        sessions.begin_again(cookies, facts(false), had_session).await
    };
    assert_eq!(again(true).await.unwrap().fields().count(), 1);
    let ended = begin(&sessions, &cookie)
        .await
        .finish(Wish::Destroy, Change::default(), None);
    let _ = ended.await.unwrap();
    assert!(matches!(again(true).await.unwrap_err().error(), Error::Ended));
    assert_eq!(again(false).await.unwrap().fields().count(), 0);
}

#[tokio::test]
async fn field_set_to_its_value_is_a_change_only_in_another_session_and_at_a_sign_in() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let cookie = create(&sessions, &[("a", "1"), ("b", "1"), ("userid", "7")]).await;
    let exchange = begin(&sessions, &cookie).await;
    let change_of = |wish| {
        let same = ["a", "userid"].into_iter().zip(["1", "7"]);
        let same = same.map(|(name, text)| (name.to_owned(), Some(text.to_owned())));
        exchange.change_of(wish, same.chain([("missing".to_owned(), None)]))
    };
    assert_eq!(change_of(Wish::Keep), Change::default());
    assert_eq!(change_of(Wish::Renew), Change::default().with_field("userid", "7"));
    assert_eq!(
        change_of(Wish::Destroy),
        Change::default().with_field("a", "1").with_field("userid", "7")
    );

    let changed = [("a".to_owned(), Some("2".to_owned())), ("b".to_owned(), None)];
    let change = exchange.change_of(Wish::Keep, changed);
    let _ = exchange.finish(Wish::Keep, change, None).await.unwrap();
    let exchange = begin(&sessions, &cookie).await;
    assert!(exchange.fields().eq([("a", "2"), ("userid", "7")]));
}
