//! Prints what is not a log record. A stream that is closed, or that nobody reads, does not stop the process.

use std::io::{self, Write};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How long the process waits for a stream.
const LIMIT: Duration = Duration::from_secs(2);

/// Prints an error to the standard error stream.
pub(crate) fn print_error(error: &str) {
    let line = format!("error: {error}\n");
    within_limit(move || {
        let _ = io::stderr().write_all(line.as_bytes());
    });
}

/// Prints lines to the standard output.
pub(crate) fn print(lines: String) {
    within_limit(move || {
        let _ = io::stdout().write_all(lines.as_bytes());
    });
}

/// Runs what may block, and goes on without it if that takes too long.
pub(super) fn within_limit(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let run = move || {
        work();
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(run).is_ok() {
        let _ = is_done.recv_timeout(LIMIT);
    }
}
