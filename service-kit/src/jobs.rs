//! Jobs: changes that belong together, such as a new password and the end of the user's other sessions. actix-web drops a
//! handler when its client hangs up, wherever the handler waits. A job goes on, so all of its changes are made.

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, warn};

use crate::audit;
use crate::failure::Failure;

/// Runs jobs on the runtime that it was created in, which outlives the workers of the server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Jobs {
    runtime: Handle,
    tracker: TaskTracker,
}

impl Jobs {
    /// Creates the jobs of this runtime.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    #[must_use]
    pub fn of_this_runtime() -> Self {
        Self {
            runtime: Handle::current(),
            tracker: TaskTracker::new(),
        }
    }

    /// Runs a job and returns its output. If the caller is dropped, the job still runs to its end. Its log records have the
    /// span of the request, and its audit events the request's id and address.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the job panics.
    pub async fn run_to_end<T: Send + 'static>(
        &self,
        job: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let job = audit::context().run(job).in_current_span();
        let output = self.tracker.spawn_on(job, &self.runtime).await;
        output.map_err(|error| Failure::Internal(format!("a job did not end: {error}")))
    }

    /// Waits for the jobs in progress, until the deadline at most. Must be called when no request can begin another one.
    pub(crate) async fn finish(&self, deadline: Instant) {
        self.tracker.close();
        if timeout_at(deadline, self.tracker.wait()).await.is_err() {
            let jobs = self.tracker.len();
            warn!(
                jobs,
                "stopped before all changes were made: the shutdown timeout is over"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;
    use tokio::time::{Instant, timeout};

    use super::Jobs;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn job_runs_to_its_end_without_its_caller_and_is_waited_for() {
        let jobs = Jobs::of_this_runtime();
        let (go_on, is_done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (gate, done) = (go_on.clone(), is_done.clone());
        let caller = jobs.run_to_end(async move {
            gate.notified().await;
            done.store(true, Ordering::SeqCst);
        });
        assert!(timeout(Duration::ZERO, caller).await.is_err());
        go_on.notify_one();
        jobs.finish(Instant::now() + LONG).await;
        assert!(is_done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn job_that_does_not_end_is_waited_for_until_the_deadline() {
        let jobs = Jobs::of_this_runtime();
        let caller = jobs.run_to_end(std::future::pending::<()>());
        assert!(timeout(Duration::ZERO, caller).await.is_err());
        jobs.finish(Instant::now()).await;
    }

    #[tokio::test]
    async fn output_of_a_job_is_returned_and_a_panic_is_a_failure() {
        let jobs = Jobs::of_this_runtime();
        assert_eq!(jobs.run_to_end(async { 7 }).await.unwrap(), 7);
        assert!(jobs.run_to_end(async { panic!("it failed") }).await.is_err());
    }
}
