//! The contract suite on every backend and in every format that the crate brings.
//!
//! With the cache, each load may be one that remembers. So the suite holds there for a record that expires as late as the load
//! says, and for a change that all processes were told of.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session_testkit::contract::{faults, registry, renewal, revocation};
use shared_session_testkit::servers::{RedisSentinel, RedisServer};
use shared_session_testkit::{TestBed, TestClock};

use crate::cached_processes::CachedProcesses;

struct Bed {
    backend: Arc<dyn Backend>,
    place: Place,
    clock: TestClock,
    format: Format,
}

/// Where the records are.
enum Place {
    Memory,
    Server(RedisServer),
    Cached(RedisServer, Arc<CachedProcesses>),
    Sentinel(Arc<RedisSentinel>, usize),
}

/// Returns servers with Sentinels, and the number of a database that no other test uses.
fn shared_sentinel() -> (Arc<RedisSentinel>, usize) {
    static SHARED: Mutex<(Weak<RedisSentinel>, usize)> = Mutex::new((Weak::new(), 0));
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    // the last test stops the servers, because a static value is never dropped
    let sentinel = shared.0.upgrade().unwrap_or_else(|| {
        let sentinel = Arc::new(RedisSentinel::with_options(&["--databases", "1000"], ""));
        *shared = (Arc::downgrade(&sentinel), 0);
        sentinel
    });
    shared.1 += 1;
    (sentinel, shared.1)
}

impl Bed {
    fn in_memory(format: Format) -> Self {
        let clock = TestClock::default();
        Self {
            backend: Arc::new(Memory::new(clock.clock())),
            place: Place::Memory,
            clock,
            format,
        }
    }

    /// Returns a bed in a database of its own of servers that concurrent tests share.
    fn on_sentinel(format: Format) -> Self {
        let (sentinel, database) = shared_sentinel();
        Self {
            backend: Arc::new(sentinel.backend(Duration::from_secs(5), database)),
            place: Place::Sentinel(sentinel, database),
            clock: TestClock::default(),
            format,
        }
    }

    fn in_redis(format: Format) -> Self {
        Self::on_server(RedisServer::start(), format)
    }

    /// Returns a bed in Valkey, which compares and sets by a command instead of a script.
    fn in_valkey(format: Format) -> Self {
        Self::on_server(RedisServer::start_valkey(&[]), format)
    }

    /// Returns a bed of processes that remember what they load.
    fn in_cache(format: Format) -> Self {
        let server = RedisServer::start();
        let processes = Arc::new(CachedProcesses::new(&server));
        Self {
            backend: processes.clone(),
            place: Place::Cached(server, processes),
            clock: TestClock::default(),
            format,
        }
    }

    fn on_server(server: RedisServer, format: Format) -> Self {
        let backend = server.backend(Duration::from_secs(5));
        Self {
            backend: Arc::new(backend),
            place: Place::Server(server),
            clock: TestClock::default(),
            format,
        }
    }
}

#[async_trait]
impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        self.format
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    async fn age(&self, by: Duration) {
        match &self.place {
            Place::Memory => {}
            Place::Server(server) => server.age(by),
            Place::Cached(server, processes) => {
                server.age(by);
                processes.wait_for_news().await;
            }
            Place::Sentinel(sentinel, database) => sentinel.server(sentinel.primary()).age_database(*database, by),
        }
    }
}

shared_session_testkit::contract_tests! {
    json_in_memory: Bed::in_memory(Format::Json);
    json_in_redis: Bed::in_redis(Format::Json);
    json_in_valkey: Bed::in_valkey(Format::Json);
    json_in_cache: Bed::in_cache(Format::Json);
    json_on_sentinel: Bed::on_sentinel(Format::Json);
    php_in_memory: Bed::in_memory(Format::Php);
    php_in_redis: Bed::in_redis(Format::Php);
    php_in_cache: Bed::in_cache(Format::Php);
    php_in_valkey: Bed::in_valkey(Format::Php);
    php_serialize_in_memory: Bed::in_memory(Format::PhpSerialize);
    php_serialize_in_redis: Bed::in_redis(Format::PhpSerialize);
}

/// Records and indexes expire by themselves, also those that failed and concurrent requests leave behind.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_in_redis_lives_for_ever() {
    for format in [Format::Json, Format::Php, Format::PhpSerialize] {
        let bed = Bed::in_redis(format);
        renewal::one_of_many_concurrent_renewals_gives_out_an_id(&bed).await;
        registry::every_concurrent_sign_in_is_listed(&bed).await;
        registry::session_is_listed_for_its_present_user_only(&bed).await;
        revocation::concurrent_sign_ins_of_several_users_stay_apart(&bed).await;
        revocation::failed_sign_in_leaves_no_session_unlisted(&bed).await;
        faults::failed_operation_is_an_error_and_can_be_retried(&bed).await;
        let Place::Server(server) = &bed.place else {
            panic!("the records are not on one server");
        };
        let keys: Vec<String> = server.run(&["KEYS", "*"]);
        assert!(keys.iter().any(|key| key.starts_with("session:index:")));
        for key in keys {
            // -2: it expired since
            assert_ne!(server.run::<i64>(&["PTTL", &key]), -1, "{key} has no expiry");
        }
    }
}
