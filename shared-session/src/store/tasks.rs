//! [`Tasks`]: work that ends even if the request that began it is gone.

use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

/// The work of a store that does not depend on its requests.
#[derive(Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    /// The runtime for background work, if it is not this library's own.
    background: OnceLock<Handle>,
}

impl Tasks {
    /// Begins work at once. A task of its own does the rest.
    pub async fn begin(&self, work: Pin<Box<impl Future<Output = ()> + Send + 'static>>) {
        if let Err(work) = poll_once(work).await {
            self.tracker.spawn(work.in_current_span());
        }
    }

    /// Runs work to its end and returns its output. If this future is dropped, a task of its own goes on.
    ///
    /// # Panics
    ///
    /// Panics if the work does.
    pub async fn run_to_end<T: Send + 'static>(&self, work: Pin<Box<impl Future<Output = T> + Send + 'static>>) -> T {
        let work = match poll_once(work).await {
            Ok(output) => return output,
            Err(work) => work,
        };
        match self.tracker.spawn(work.in_current_span()).await {
            Ok(output) => output,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // the runtime shuts down, and drops this future, too
                Err(_) => pending().await,
            },
        }
    }

    /// Starts work that must go on when the workers have stopped.
    pub fn spawn_in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(background) = self.background.get().or_else(|| background()) {
            self.tracker.spawn_on(work, background);
        }
    }

    /// Lets the background work of this store run on the current runtime.
    pub fn run_in_foreground(&self) {
        let _ = self.background.set(Handle::current());
    }

    /// Returns a token that counts as work until it is dropped.
    pub fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// Waits until all work has ended.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Polls work once. Returns its output if it ends at once, as it does in memory, or else the rest of the work.
async fn poll_once<W: Future>(mut work: Pin<Box<W>>) -> Result<W::Output, Pin<Box<W>>> {
    match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(work),
    }
}

/// Returns the runtime of this process that outlives the workers. Its thread starts at the first call.
fn background() -> Option<&'static Handle> {
    static BACKGROUND: OnceLock<Option<Handle>> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("session-settling".to_owned())
            .spawn(move || runtime.block_on(pending::<()>()))?;
        Ok::<_, io::Error>(handle)
    };
    let handle = BACKGROUND.get_or_init(|| {
        let report = |error: &io::Error| tracing::error!(%error, "failed to start the thread that settles renewals");
        start().inspect_err(report).ok()
    });
    handle.as_ref()
}
