//! Nothing is answered as done, or refused, because of a record that this process remembers: only one that the store compared
//! decides.

use std::collections::HashMap;
use std::sync::Arc;

use shared_session::backend::memory::Memory;
use shared_session::codec::Fields;
use shared_session::internals::{Change, LoadedSession, NewId, Rules, SessionId, Store};
use shared_session::{Clock, Error, Format};
use shared_session_testkit::faulty::{Fault, Faulty};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::settings;

fn set(name: &str, value: &str) -> Change {
    let after = HashMap::from([(name.to_owned(), value.to_owned())]);
    Change::between(&Fields::new(), &after)
}

fn store(backend: Arc<Faulty>) -> Store {
    let rules = Rules {
        max_size: 1000,
        max_per_user: 0,
        ..Rules::from(&settings())
    };
    Store::new(backend, Format::Json.codec(), rules, Clock::system())
}

/// Two processes. The reply to a change of the first one is late: the store has the change, and the process does not know.
struct LateReply {
    first: Store,
    second: Store,
    id: SessionId,
    arrives: Arc<Notify>,
    change: JoinHandle<Result<(), Error>>,
}

impl LateReply {
    async fn to(change: Change) -> Self {
        let memory = Arc::new(Memory::new(Clock::system()));
        let (stored, arrives) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (stores, arrival) = (stored.clone(), arrives.clone());
        // after a load
        let late = Faulty::new(memory.clone(), Fault::Never).run_after(2, async move {
            stores.notify_one();
            arrival.notified().await;
        });
        let (first, second) = (
            store(Arc::new(late)),
            store(Arc::new(Faulty::new(memory, Fault::Never))),
        );
        let id = second.request().create(&set("a", "0")).await.unwrap();
        let session = load(&first, &id).await;
        let request = first.request();
        let change = tokio::spawn(async move { request.commit(session, change).await });
        stored.notified().await;
        Self {
            first,
            second,
            id,
            arrives,
            change,
        }
    }

    /// Commits a change in the first process, where the late reply arrives as soon as it waits for that.
    async fn commit(self, session: LoadedSession, change: Change) -> Result<(), Error> {
        let request = self.first.request();
        let waits = tokio::spawn(async move { request.commit(session, change).await });
        tokio::task::yield_now().await;
        self.arrives.notify_one();
        self.change.await.unwrap().unwrap();
        waits.await.unwrap()
    }
}

async fn load(store: &Store, id: &SessionId) -> LoadedSession {
    store.request().load(id).await.unwrap().session().unwrap()
}

#[tokio::test]
async fn change_that_another_process_undid_is_stored_again() {
    let late = LateReply::to(set("a", "1")).await;
    let (second, id) = (late.second.clone(), late.id.clone());
    let session = load(&second, &id).await;
    second.request().commit(session, set("a", "0")).await.unwrap();
    // it has seen that the value is 0 again
    let session = load(&late.first, &id).await;
    late.commit(session, set("a", "1")).await.unwrap();
    assert_eq!(
        load(&second, &id).await.fields().get("a"),
        Some("1"),
        "a change was answered as done and is lost"
    );
}

#[tokio::test]
async fn change_with_the_newest_id_is_not_refused() {
    let late = LateReply::to(set("a", "1")).await;
    let second = late.second.clone();
    let session = load(&second, &late.id).await;
    let id = second
        .request()
        .renew(session, set("b", "1"))
        .await
        .unwrap()
        .map(NewId::delivered)
        .unwrap();
    let session = load(&late.first, &id).await;
    late.commit(session, set("c", "1")).await.unwrap();
    assert_eq!(load(&second, &id).await.fields().get("c"), Some("1"));
}

#[tokio::test]
async fn change_is_not_too_large_for_a_record_that_has_shrunk() {
    let text = format!("\"{}\"", "x".repeat(600));
    let late = LateReply::to(set("large", &text)).await;
    let (second, id) = (late.second.clone(), late.id.clone());
    let session = load(&second, &id).await;
    second.request().commit(session, set("large", "0")).await.unwrap();
    let session = load(&late.first, &id).await;
    late.commit(session, set("b", &text)).await.unwrap();
    assert_eq!(load(&second, &id).await.fields().get("b"), Some(&*text));
}

#[tokio::test]
async fn session_that_ended_meanwhile_refuses_a_change_that_changes_nothing() {
    let late = LateReply::to(set("a", "1")).await;
    let (second, id) = (late.second.clone(), late.id.clone());
    let (session, own) = (load(&second, &id).await, load(&second, &id).await);
    second.request().destroy(session).await.unwrap();
    let result = late.commit(own, set("a", "1")).await;
    assert!(matches!(result, Err(Error::Ended)), "{result:?}");
}
