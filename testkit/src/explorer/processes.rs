//! The processes of a run. Each has one store, and all share one backend.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::internals::{Rules, Store};
use shared_session::{Format, Settings};

use super::Sabotage;
use super::backend::{Operations, Scheduled};
use crate::TestClock;

/// The stores of a run.
pub(super) struct Processes {
    pub operations: Arc<Mutex<Operations>>,
    /// The store of each process, whose operations wait for the explorer.
    pub stores: [Store; 2],
    /// A store whose operations do not wait.
    pub free: Store,
}

impl Processes {
    /// Returns stores over an empty memory.
    pub fn new(sabotage: Sabotage) -> Self {
        let clock = TestClock::default();
        let memory = Arc::new(Memory::new(clock.clock()));
        let operations = Arc::new(Mutex::new(Operations::default()));
        let stores = [0, 1].map(|process| {
            let scheduled = Scheduled {
                memory: memory.clone(),
                operations: operations.clone(),
                process,
                sabotage,
                written: Arc::default(),
            };
            store(Arc::new(scheduled), &clock)
        });
        Self {
            operations,
            stores,
            free: store(memory, &clock),
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
