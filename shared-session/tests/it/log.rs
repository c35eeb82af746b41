//! [`Log`]: what a test's process logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// Captures the log of the whole process from `level` up.
pub fn capture(level: Level) -> Log {
    let (log, subscriber) = subscriber(level);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log
}

/// Captures the log of this thread from `level` up, until the guard is dropped.
pub fn capture_here(level: Level) -> (Log, DefaultGuard) {
    let (log, subscriber) = subscriber(level);
    (log, tracing::subscriber::set_default(subscriber))
}

fn subscriber(level: Level) -> (Log, impl Subscriber + Send + Sync) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        // a span is logged with its fields when it ends
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    (log, subscriber)
}

impl Log {
    /// Returns what was logged since the last call.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
