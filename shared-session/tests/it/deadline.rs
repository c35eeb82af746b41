//! A commit that cannot finish before the deadline gets a 503 response. It never hangs, and is never reported as done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use async_trait::async_trait;
use bytes::Bytes;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::{Clock, Session, SessionManager, Settings};
use shared_session_testkit::TestClock;

use crate::support::{Door, Stack};

/// A backend in which another request always changes the record first, or in which `replace` never replies.
struct Slow {
    backend: Memory,
    contended: bool,
    replaced: AtomicU64,
}

#[async_trait]
impl Backend for Slow {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        self.backend.load(key, ttl).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.backend.create(key, record, ttl).await
    }

    async fn replace(
        &self,
        key: &str,
        _expected: &[u8],
        _record: &[u8],
        ttl: Duration,
    ) -> Result<Outcome, BackendError> {
        let number = self.replaced.fetch_add(1, Ordering::SeqCst);
        if !self.contended {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let record = self.backend.load(key, ttl).await?.unwrap();
        let text = String::from_utf8(record.to_vec()).unwrap();
        Ok(Outcome::Changed(Bytes::from(text.replacen(
            '{',
            &format!("{{\"other{number}\":1,"),
            1,
        ))))
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.backend.remove(key, expected).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.backend.peek(key).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.backend.index_add(key, member, left).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.backend.index_remove(key, member).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.backend.index_members(key, offset, limit).await
    }

    async fn check(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }
}

fn stack(contended: bool) -> (Stack, Arc<Slow>) {
    let clock = TestClock::default();
    let backend = Arc::new(Slow {
        backend: Memory::new(clock.clock()),
        contended,
        replaced: AtomicU64::new(0),
    });
    let settings = Settings::default()
        .with_store_timeout(Duration::from_millis(200))
        .unwrap();
    (Stack::over(Door::Actix, backend.clone(), clock, &settings), backend)
}

#[tokio::test(flavor = "multi_thread")]
async fn contended_commit_gives_up_at_the_deadline() {
    let (stack, backend) = stack(true);
    let cookie = stack.new_session("insert:a:1").await;
    let response = stack.send(0, "/do/insert:b:1", Some(&cookie)).await;
    assert_eq!((response.status.as_u16(), response.set_cookie), (503, None));
    assert!(response.headers.contains_key("retry-after"));
    let attempts = backend.replaced.load(Ordering::SeqCst);
    assert!(
        (2..=200).contains(&attempts),
        "{attempts} attempts in 200 ms at a millisecond each"
    );
    assert_eq!(stack.fields(1, &cookie).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_commit_and_queued_commits_give_up_at_the_deadline() {
    let (stack, backend) = stack(false);
    let cookie = stack.new_session("insert:a:1").await;
    let requests: Vec<_> = (0..40)
        .map(|number| stack.send(0, &format!("/do/insert:f{number}:1"), Some(&cookie)))
        .collect();
    let mut set = tokio::task::JoinSet::new();
    for request in requests {
        set.spawn(request);
    }
    for response in set.join_all().await {
        assert_eq!((response.status.as_u16(), response.set_cookie), (503, None));
    }
    let attempts = backend.replaced.load(Ordering::SeqCst);
    assert!(attempts <= 40, "a request tried more than once");
}

#[actix_web::test]
async fn stall_between_operations_takes_no_time_of_a_request() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    let stalls = Arc::new(AtomicBool::new(false));
    let clock = {
        let stalls = stalls.clone();
        Clock::new(move || {
            if stalls.swap(false, Ordering::SeqCst) {
                std::thread::sleep(TIMEOUT * 2);
            }
            Clock::system().now()
        })
    };
    let settings = Settings::default().with_store_timeout(TIMEOUT).unwrap();
    let backend = Arc::new(Memory::new(Clock::system()));
    let builder = SessionManager::builder(&settings).backend(backend).clock(clock);
    let sessions = builder.build().unwrap();
    let count = |session: Session| async move {
        let count = session.get::<u32>("count").unwrap().unwrap_or_default() + 1;
        session.insert("count", count).unwrap();
        count.to_string()
    };
    let app = App::new().wrap(sessions.middleware()).default_service(web::to(count));
    let app = init_service(app).await;
    let created = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = created.response().cookies().next().unwrap().into_owned();

    // the store asks for the time after it has loaded the session
    stalls.store(true, Ordering::SeqCst);
    let changed = call_service(&app, TestRequest::get().cookie(cookie).to_request()).await;
    assert!(!stalls.load(Ordering::SeqCst));
    assert_eq!(changed.status(), 200);
    assert_eq!(read_body(changed).await, "2");
}
