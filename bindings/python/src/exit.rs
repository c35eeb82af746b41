//! The end of the interpreter. CPython then ends every other thread that comes back to it, and the process aborts if that
//! thread has functions of Rust on its stack. So no thread may be in one by then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;

use crate::process::Process;

/// How many threads are in functions that let others take the GIL.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static IS_EXITING: AtomicBool = AtomicBool::new(false);
/// The thread that ends the interpreter. It goes on.
static EXITING: Mutex<Option<ThreadId>> = Mutex::new(None);

/// Counts a thread as inside until it is dropped.
pub struct Inside(Process);

impl Inside {
    /// Enters. If the interpreter ends, the thread stays here.
    pub fn enter(py: Python<'_>) -> Self {
        if is_over() {
            py.detach(stay);
        }
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Self(Process::current())
    }

    /// Stays here if the interpreter ends. The thread must not have the GIL.
    pub fn stay_if_over(&self) {
        if is_over() {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            stay();
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // a child begins to count anew
        if self.0 == Process::current() {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn is_over() -> bool {
    IS_EXITING.load(Ordering::SeqCst)
        && *EXITING.lock().unwrap_or_else(PoisonError::into_inner) != Some(thread::current().id())
}

fn stay() {
    loop {
        thread::park();
    }
}

/// Waits until no other thread is inside, for a second at most.
#[pyfunction]
pub fn before_exit(py: Python<'_>) {
    *EXITING.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
    IS_EXITING.store(true, Ordering::SeqCst);
    py.detach(|| {
        for _ in 0..1000 {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Begins anew in a child, which has no other threads.
pub fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
    IS_EXITING.store(false, Ordering::SeqCst);
}
