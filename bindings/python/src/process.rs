//! Which process this is, and values that belong to one process.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};

/// A process. The number of forks tells a child from an ancestor that had the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    id: u32,
    forks: u32,
}

static FORKS: AtomicU32 = AtomicU32::new(0);

impl Process {
    pub fn current() -> Self {
        Self {
            id: std::process::id(),
            forks: FORKS.load(Ordering::Relaxed),
        }
    }

    /// Notes that this process is a child that was just forked.
    pub fn forked() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
}

/// A value of one process. A child that was forked with it can neither use nor drop it: a thread that the child does not have may
/// hold one of its locks.
pub struct Own<T> {
    process: Process,
    value: Option<T>,
}

impl<T> Own<T> {
    pub fn new(value: T) -> Self {
        Self {
            process: Process::current(),
            value: Some(value),
        }
    }

    /// Returns whether the value belongs to this process.
    pub fn is_own(&self) -> bool {
        self.process == Process::current()
    }

    /// Returns the value, if it belongs to this process.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_own())
    }

    /// Returns the value, also in a child. Take a lock in it only if no thread can have held the lock at a fork.
    pub fn inherited(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub fn get_mut(&mut self) -> Option<&mut T> {
        if self.is_own() { self.value.as_mut() } else { None }
    }

    pub fn into_inner(mut self) -> Option<T> {
        if self.is_own() { self.value.take() } else { None }
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if !self.is_own() {
            mem::forget(self.value.take());
        }
    }
}
