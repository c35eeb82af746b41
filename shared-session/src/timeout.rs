//! A timeout that a stall of this process does not trip.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// A timer that fires later than this says that the process was stalled: stopped, suspended or starved.
const LATE: Duration = Duration::from_millis(20);

/// How long a process may at least take after a stall to read what arrived meanwhile.
const CATCH_UP: Duration = Duration::from_millis(50);

/// The same after a stall that is too short to be told from a timer's usual delay.
const SHORT_CATCH_UP: Duration = Duration::from_millis(1);

/// Returns the output of `future`, or `None` if there is none by `deadline`.
///
/// After a stall, timers fire before sockets are read. So the future gets the time of the stall back, because its output
/// may have arrived in time; but no more than it had before.
pub(crate) async fn until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut granted = Duration::ZERO;
    // most operations in memory end at once, and need no timer
    let mut timer = pin!(None::<Sleep>);
    let in_time = poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            granted = deadline.saturating_duration_since(Instant::now());
            timer.set(Some(sleep_until(deadline)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(context).map(|()| None),
            None => Poll::Pending,
        }
    });
    if let Some(output) = in_time.await {
        return Some(output);
    }
    let now = Instant::now();
    let catch_up = if has_stalled(deadline, now) {
        now.saturating_duration_since(deadline).min(granted).max(CATCH_UP)
    } else {
        SHORT_CATCH_UP
    };
    // boxed, because it is rare and takes room in the future of every operation
    Box::pin(timeout(catch_up, future)).await.ok()
}

/// Returns whether this process was stalled at `deadline`, if it waited for nothing longer than that until `now`.
pub(crate) fn has_stalled(deadline: Instant, now: Instant) -> bool {
    now.saturating_duration_since(deadline) >= LATE
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_late_output_is_missing() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert_eq!(until(deadline, std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn an_output_that_arrived_during_a_stall_counts() {
        let (sender, receiver) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_millis(10);
        let task = tokio::spawn(async move { until(deadline, receiver).await });
        tokio::task::yield_now().await;
        // the only thread is stalled past the deadline; the output waits for another task to deliver it
        std::thread::sleep(Duration::from_millis(100));
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            sender.send(7)
        });
        assert_eq!(task.await.unwrap(), Some(Ok(7)));
    }
}
