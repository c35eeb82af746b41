//! Writes log lines on a thread of its own. If the standard error stream fails, or if nobody reads it, lines are lost and no
//! request is delayed.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::output::within_limit;

/// How many lines wait at most. Further lines are lost.
const MAX_WAITING: usize = 8192;

/// Counts the lines that found no room.
static NO_ROOM: OnceLock<ErrorCounter> = OnceLock::new();

/// The number of lines that could not be written.
static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Returns how many lines of the log were lost since the start of the process.
pub(crate) fn lost_lines() -> u64 {
    let no_room = NO_ROOM.get().map_or(0, ErrorCounter::dropped_lines);
    NOT_WRITTEN.load(Ordering::Relaxed) + u64::try_from(no_room).unwrap_or(u64::MAX)
}

/// Writes the lines that still wait when it is dropped.
#[must_use]
pub(crate) struct Flush(Option<WorkerGuard>);

/// Returns a writer to the standard error stream.
pub(super) fn open() -> io::Result<(NonBlocking, Flush)> {
    // not `io::stderr`, whose lock would be held while a write blocks
    let stream = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING)
        .finish(Lines::new(stream));
    let _ = NO_ROOM.set(writer.error_counter());
    Ok((writer, Flush(Some(guard))))
}

impl Drop for Flush {
    fn drop(&mut self) {
        let guard = self.0.take();
        // the guard waits for a second, but if no line is read any more it prints, and that can block as well
        within_limit(move || drop(guard));
    }
}

/// A stream of lines, each of which is written by one call.
struct Lines<W> {
    stream: W,
    was_written: bool,
    /// The number of lost lines that the log tells of.
    told: u64,
}

impl<W> Lines<W> {
    fn new(stream: W) -> Self {
        Self {
            stream,
            was_written: false,
            told: 0,
        }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.was_written = self.stream.write_all(line).is_ok();
        if !self.was_written {
            NOT_WRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    /// Tells how many lines were lost, as soon as lines can be written again. Called when no line waits.
    fn flush(&mut self) -> io::Result<()> {
        let lost = lost_lines();
        if self.was_written && lost > self.told {
            self.told = lost;
            warn!(
                lost,
                "lines of the log were lost, because they could not be written in time"
            );
        }
        Ok(())
    }
}
