//! What the engine logs, until a thread of Python's gives it to `logging`.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

use crate::engine::{Engine, lock};
use crate::hooks::Hooks;

/// How many lines wait at most. Older ones are dropped, because an outage must not fill the memory.
const MOST: usize = 1000;

/// A line: its level as `logging` has it, its text, and when it was logged, in seconds since 1970.
type Line = (u8, String, f64);

/// The lines that wait.
#[derive(Default)]
pub struct Logs {
    lines: Mutex<VecDeque<Line>>,
    any: AtomicBool,
}

struct Logger;

/// Sends what the engine logs to the engine of the process.
pub fn install() {
    if log::set_logger(&Logger).is_ok() {
        // below that, every operation of the store is a line
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("shared_session")
    }

    fn log(&self, record: &Record<'_>) {
        let Some(engine) = Engine::current().filter(|_| self.enabled(record.metadata())) else {
            return;
        };
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mut lines = lock(&engine.logs.lines);
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back((level, record.args().to_string(), now.as_secs_f64()));
        engine.logs.any.store(true, Ordering::Release);
    }

    fn flush(&self) {}
}

/// Takes the lines that wait.
#[pyfunction]
pub fn take_logs() -> Vec<Line> {
    let Some(engine) = Engine::current() else {
        return Vec::new();
    };
    engine.logs.any.store(false, Ordering::Release);
    std::mem::take(&mut *lock(&engine.logs.lines)).into()
}

/// Gives the lines that wait to `logging`. A handler that fails does not fail the request.
pub fn deliver(py: Python<'_>) {
    if Engine::current().is_some_and(|engine| engine.logs.any.load(Ordering::Acquire)) {
        let delivered = Hooks::get(py).and_then(|hooks| hooks.deliver.call0(py));
        if let Err(error) = delivered {
            error.write_unraisable(py, None);
        }
    }
}
