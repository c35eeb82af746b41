//! The processes of a run. Each has one store, and all share one backend.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::internals::{Rules, Store};
use shared_session::{Format, Settings};

use super::Sabotage;
use super::backend::{Operations, Scheduled};
use super::cache::Cache;
use crate::TestClock;

/// A process.
#[derive(Clone)]
pub(super) struct Process {
    pub store: Store,
    pub backend: Arc<Scheduled>,
}

/// The processes of a run.
pub(super) struct Processes {
    pub operations: Arc<Mutex<Operations>>,
    /// Those whose operations wait for the explorer.
    pub scheduled: [Process; 2],
    /// A store whose operations do not wait.
    pub free: Store,
}

impl Processes {
    /// Returns stores over an empty memory.
    pub fn new(sabotage: Sabotage) -> Self {
        let clock = TestClock::default();
        let memory = Arc::new(Memory::new(clock.clock()));
        let operations = Arc::new(Mutex::new(Operations::default()));
        let scheduled = [0, 1].map(|process| {
            let backend = Arc::new(Scheduled {
                memory: memory.clone(),
                operations: operations.clone(),
                process,
                sabotage,
                written: Arc::default(),
                cache: Arc::new(Cache::default()),
            });
            let store = store(backend.clone(), &clock);
            Process { store, backend }
        });
        Self {
            operations,
            scheduled,
            free: store(memory, &clock),
        }
    }

    /// Lets each process remember the record under a key, as after an earlier request.
    pub async fn remember(&self, key: &str) {
        for Process { backend, .. } in &self.scheduled {
            let reading = backend.cache.read(key);
            if let Ok(Some((record, _))) = backend.memory.peek(key).await {
                backend.cache.remember(reading, &record);
            }
        }
    }
}

fn store(backend: Arc<dyn Backend>, clock: &TestClock) -> Store {
    let rules = Rules {
        timeout: Duration::from_secs(20),
        ..Rules::from(&Settings::default())
    };
    Store::new(backend, Format::Json.codec(), rules, clock.clock()).settling_here()
}
