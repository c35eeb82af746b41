//! [`Engine`]: the runtime of a process, on a thread of its own.

use std::collections::HashMap;
use std::future::pending;
use std::iter::successors;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{io, thread};

use nix::sys::signal::{SigSet, SigmaskHow};
use pyo3::prelude::*;
use shared_session::SessionManager;
use tokio::runtime::{Builder, Handle};

use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::process::Process;

/// How long a fork waits for the engine's thread to stand still.
const PARKING: Duration = Duration::from_millis(100);

/// When a parked thread goes on even if nobody says so.
const PARKED: Duration = Duration::from_secs(1);

/// What a process needs for its sessions. It lives until the process ends.
pub struct Engine {
    process: Process,
    pub runtime: Handle,
    /// The managers that this process uses, by their number.
    pub managers: Mutex<HashMap<u64, SessionManager>>,
    pub logs: Logs,
    pub metrics: Metrics,
    /// Dropping one lets the engine's thread go on.
    parked: Mutex<Vec<Sender<()>>>,
    /// The engine of a child, in that child.
    next: OnceLock<&'static Engine>,
}

/// The engine of the first process. It is followed by those of its child, of the child's child, and so on.
static FIRST: OnceLock<&'static Engine> = OnceLock::new();

impl Engine {
    /// Returns the engine of this process, if it has started.
    pub fn current() -> Option<&'static Self> {
        let process = Process::current();
        successors(FIRST.get().copied(), |engine| engine.next.get().copied()).find(|engine| engine.process == process)
    }

    /// Returns the engine of this process. Starts it at the first call.
    pub fn get(_: Python<'_>) -> io::Result<&'static Self> {
        if let Some(engine) = Self::current() {
            return Ok(engine);
        }
        // it is never dropped, because a child must not drop it
        let engine = Box::leak(Box::new(Self::start()?));
        let mut last = &FIRST;
        while let Some(engine) = last.get() {
            last = &engine.next;
        }
        // nobody else sets it, because this thread holds the GIL
        let _ = last.set(engine);
        Ok(engine)
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        // signals are for Python's threads; the new thread inherits the mask
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let thread = thread::Builder::new().name("shared-session".to_owned());
        let started = thread.spawn(move || runtime.block_on(pending::<()>()));
        mask.thread_set_mask()?;
        started?;
        Ok(Self {
            process: Process::current(),
            runtime: handle,
            managers: Mutex::default(),
            logs: Logs::default(),
            metrics: Metrics::default(),
            parked: Mutex::default(),
            next: OnceLock::new(),
        })
    }
}

/// Locks a mutex. What a panic left behind is still valid here.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parks the engine's thread between two tasks, so that the child inherits no lock that it holds, of an allocator for example.
#[pyfunction]
pub fn before_fork() {
    let Some(engine) = Engine::current() else {
        return;
    };
    let (standing, stands) = sync_channel(1);
    let (resume, resumed) = channel::<()>();
    engine.runtime.spawn(async move {
        let _ = standing.send(());
        let _ = resumed.recv_timeout(PARKED);
    });
    let _ = stands.recv_timeout(PARKING);
    lock(&engine.parked).push(resume);
}

/// Lets the engine's thread go on.
#[pyfunction]
pub fn after_fork_in_parent() {
    if let Some(engine) = Engine::current() {
        lock(&engine.parked).pop();
    }
}

/// Notes that what this process inherited belongs to another one.
#[pyfunction]
pub fn after_fork_in_child() {
    Process::forked();
    crate::exit::forked();
}
