//! Concurrent commits of one process to one session are merged into few replacements, and each request gets its own result.
//!
//! Time is paused where a test measures it, so a busy machine fails no test.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::codec::Fields;
use shared_session::internals::{Change, Rules, SessionId, Store};
use shared_session::{Clock, Error, Format, Settings};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// The time that every operation takes.
const ROUND_TRIP: Duration = Duration::from_millis(100);
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_SIZE: usize = 10_000;

/// A backend as far away as another continent. An operation is applied after half of the round trip.
struct Distant {
    backend: Memory,
    round_trip: Duration,
    replacements: AtomicUsize,
}

impl Distant {
    fn new(round_trip: Duration) -> Arc<Self> {
        Arc::new(Self {
            backend: Memory::new(Clock::system()),
            round_trip,
            replacements: AtomicUsize::new(0),
        })
    }

    async fn travel<T>(&self, operation: impl Future<Output = T>) -> T {
        sleep(self.round_trip / 2).await;
        let result = operation.await;
        sleep(self.round_trip / 2).await;
        result
    }
}

#[async_trait]
impl Backend for Distant {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        self.travel(self.backend.load(key, ttl)).await
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        self.travel(self.backend.create(key, record, ttl)).await
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        self.replacements.fetch_add(1, Ordering::SeqCst);
        self.travel(self.backend.replace(key, expected, record, ttl)).await
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        self.travel(self.backend.remove(key, expected)).await
    }

    async fn peek(&self, key: &str) -> Result<Option<(Bytes, Duration)>, BackendError> {
        self.travel(self.backend.peek(key)).await
    }

    async fn index_add(&self, key: &str, member: &str, left: Duration) -> Result<(), BackendError> {
        self.travel(self.backend.index_add(key, member, left)).await
    }

    async fn index_remove(&self, key: &str, member: &str) -> Result<(), BackendError> {
        self.travel(self.backend.index_remove(key, member)).await
    }

    async fn index_members(&self, key: &str, offset: usize, limit: usize) -> Result<Vec<String>, BackendError> {
        self.travel(self.backend.index_members(key, offset, limit)).await
    }

    async fn check(&self, key: &str) -> Result<(), BackendError> {
        self.backend.check(key).await
    }
}

fn store(backend: Arc<Distant>) -> Store {
    let rules = Rules {
        timeout: DEFAULT_TIMEOUT,
        max_size: MAX_SIZE,
        max_per_user: 0,
        ..Rules::from(&Settings::default())
    };
    Store::new(backend, Format::Json.codec(), rules, Clock::system())
}

fn set(name: &str, value: &str) -> Change {
    let after = HashMap::from([(name.to_owned(), value.to_owned())]);
    Change::between(&Fields::new(), &after)
}

fn field(number: usize) -> String {
    format!("field{number:02}")
}

/// One request: it loads the session and commits a change.
async fn write(store: Store, id: SessionId, change: Change) -> Result<(), Error> {
    let request = store.request();
    let session = request.load(&id).await?.session().unwrap();
    request.commit(session, change).await
}

/// Starts 50 requests, each with a field of its own.
fn start_50(store: &Store, id: &SessionId) -> Vec<JoinHandle<Result<(), Error>>> {
    let writers = (0..50).map(|number| tokio::spawn(write(store.clone(), id.clone(), set(&field(number), "1"))));
    writers.collect()
}

/// Returns the names of the session's fields, sorted.
async fn names(store: &Store, id: &SessionId) -> Vec<String> {
    let session = store.request().load(id).await.unwrap().session().unwrap();
    let mut names: Vec<String> = session.fields().visible().into_keys().map(str::to_owned).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn fifty_writers_at_100_ms_per_operation_finish_within_the_default_timeout() {
    let backend = Distant::new(ROUND_TRIP);
    let store = store(backend.clone());
    let id = store.request().create(&set("a", "1")).await.unwrap();
    let begin = Instant::now();
    for writer in start_50(&store, &id) {
        writer.await.unwrap().unwrap();
    }
    assert!(begin.elapsed() < DEFAULT_TIMEOUT, "{:?}", begin.elapsed());
    let replacements = backend.replacements.load(Ordering::SeqCst);
    assert!(replacements <= 5, "{replacements} replacements for 50 commits");
    assert_eq!(names(&store, &id).await.len(), 51);
}

#[tokio::test(start_paused = true)]
async fn writers_in_two_processes_finish_within_the_default_timeout() {
    let backend = Distant::new(Duration::from_millis(50));
    let stores = [store(backend.clone()), store(backend.clone())];
    let id = stores[0].request().create(&set("a", "1")).await.unwrap();
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let store = stores[number % 2].clone();
        writers.spawn(write(store, id.clone(), set(&field(number), "1")));
    }
    for result in writers.join_all().await {
        result.unwrap();
    }
    assert_eq!(names(&stores[1], &id).await.len(), 51);
}

#[tokio::test(start_paused = true)]
async fn change_that_cannot_be_stored_fails_alone() {
    // the first request, the one that commits for the others, and one of the others
    for bad in [0, 1, 30] {
        let large = format!("\"{}\"", "x".repeat(MAX_SIZE));
        for change in [set("_session", "{}"), set("large", &large)] {
            let backend = Distant::new(ROUND_TRIP);
            let store = store(backend.clone());
            let id = store.request().create(&set("a", "1")).await.unwrap();
            let writers = (0..50).map(|number| {
                let own = set(&field(number), "1");
                let change = if number == bad { change.clone() } else { own };
                tokio::spawn(write(store.clone(), id.clone(), change))
            });
            for (number, writer) in writers.collect::<Vec<_>>().into_iter().enumerate() {
                let result = writer.await.unwrap();
                if number == bad {
                    let refused = matches!(result, Err(Error::Unwritable(_) | Error::TooLarge { .. }));
                    assert!(refused, "{result:?}");
                } else {
                    result.unwrap();
                }
            }
            assert_eq!(names(&store, &id).await.len(), 50);
            assert!(backend.replacements.load(Ordering::SeqCst) <= 5);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn destroyed_session_refuses_every_waiting_commit() {
    let backend = Distant::new(ROUND_TRIP);
    let store = store(backend.clone());
    let id = store.request().create(&set("a", "1")).await.unwrap();
    let request = store.request();
    let session = request.load(&id).await.unwrap().session().unwrap();
    let writers = start_50(&store, &id);
    sleep(ROUND_TRIP).await;
    request.destroy(session).await.unwrap();
    let results = futures_util::future::join_all(writers).await;
    let ended = results.iter().filter(|result| matches!(result, Ok(Err(Error::Ended))));
    assert!(ended.count() >= 49);
    assert!(store.request().load(&id).await.unwrap().session().is_none());
}

/// A request that is dropped, as if its client were gone, loses no other request's change: before its turn, during its
/// turn, and while another request commits for it.
#[tokio::test(start_paused = true)]
async fn dropped_writer_loses_no_other_change() {
    for dropped in [0, 1, 2, 49] {
        for after in (10..=400).step_by(20).map(Duration::from_millis) {
            let store = store(Distant::new(ROUND_TRIP));
            let id = store.request().create(&set("a", "1")).await.unwrap();
            let begin = Instant::now();
            let writers = start_50(&store, &id);
            sleep_until(begin + after).await;
            writers[dropped].abort();
            for (number, writer) in writers.into_iter().enumerate() {
                match writer.await {
                    Ok(result) => assert!(result.is_ok(), "{dropped} after {after:?}: {number}: {result:?}"),
                    Err(_) => assert_eq!(number, dropped),
                }
            }
            let names = names(&store, &id).await;
            for number in (0..50).filter(|number| *number != dropped) {
                assert!(
                    names.contains(&field(number)),
                    "{dropped} after {after:?}: {number} is lost"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_dropped_on_several_threads_lose_no_other_change() {
    for round in 0..50 {
        let store = store(Distant::new(Duration::from_millis(2)));
        let id = store.request().create(&set("a", "1")).await.unwrap();
        let writers = start_50(&store, &id);
        for writer in writers.iter().skip(round % 5).step_by(5) {
            tokio::task::yield_now().await;
            writer.abort();
        }
        let mut stored = Vec::new();
        for (number, writer) in writers.into_iter().enumerate() {
            if let Ok(result) = writer.await {
                // a busy machine may take longer than the timeout
                if !matches!(result, Err(Error::Unavailable(_) | Error::OutOfTime | Error::Contended)) {
                    result.unwrap();
                    stored.push(field(number));
                }
            }
        }
        let names = names(&store, &id).await;
        assert!(
            stored.iter().all(|name| names.contains(name)),
            "a stored change is lost"
        );
    }
}
