//! When a service is asked to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on for SIGTERM and SIGINT, which then no longer end the process; the future is done at the first.
///
/// # Errors
///
/// When the operating system refuses.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
