//! The contract suite on a cluster of three primaries.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session_testkit::servers::RedisCluster;
use shared_session_testkit::{TestBed, TestClock};
use tokio::sync::{Semaphore, SemaphorePermit};

/// One cluster for all checks, as long as one of them runs or waits.
static SHARED: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());

/// Held by the check that runs, because a check can let time pass for all records of the cluster.
static RUNNING: Semaphore = Semaphore::const_new(1);

struct Bed {
    backend: Arc<dyn Backend>,
    clock: TestClock,
    format: Format,
    cluster: Arc<RedisCluster>,
    _running: SemaphorePermit<'static>,
}

impl Bed {
    fn on_cluster(format: Format) -> Self {
        let cluster = shared_cluster();
        let running = loop {
            match RUNNING.try_acquire() {
                Ok(permit) => break permit,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        for server in cluster.servers() {
            let () = server.run(&["FLUSHALL"]);
        }
        Self {
            backend: Arc::new(cluster.backend(Duration::from_secs(5))),
            clock: TestClock::default(),
            format,
            cluster,
            _running: running,
        }
    }
}

fn shared_cluster() -> Arc<RedisCluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(RedisCluster::with_shards(3, &[], &[]));
        *shared = Arc::downgrade(&cluster);
        cluster
    })
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
        self.cluster.age(by);
    }
}

shared_session_testkit::contract_tests! {
    json_on_a_cluster: Bed::on_cluster(Format::Json);
    php_on_a_cluster: Bed::on_cluster(Format::Php);
    php_serialize_on_a_cluster: Bed::on_cluster(Format::PhpSerialize);
}
