//! [`Inspection`]: logs what an operator should know about Redis, at a new connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::RedisFailure;
use super::connector::Link;
use crate::clock::Clock;
use crate::metrics;
use crate::timeout::until;

/// The longest difference of two clocks that is not logged.
const TOLERANCE: Duration = Duration::from_secs(3);

/// The shortest time between two inspections, because each thread connects.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long the replies may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// When Redis was inspected. The connections of a process to its sessions share one.
#[derive(Default)]
pub(super) struct Inspection {
    is_wanted: AtomicBool,
    last: Mutex<Option<Instant>>,
    knows_policy: AtomicBool,
}

impl Inspection {
    /// Makes connections inspect Redis from now on. A connection for other data than sessions does not.
    pub fn enable(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Inspects Redis over a new connection, in the background, unless this was done a short time ago.
    pub fn begin(self: &Arc<Self>, mut link: Link) {
        if !self.is_wanted.load(Ordering::Relaxed) || !self.is_due() {
            return;
        }
        let inspection = self.clone();
        tokio::spawn(async move {
            let inspected = until(Instant::now() + TIMEOUT, async {
                compare_clocks(&mut link).await;
                if !inspection.knows_policy.load(Ordering::Relaxed) {
                    let is_known = read_policy(&mut link).await;
                    inspection.knows_policy.store(is_known, Ordering::Relaxed);
                }
            });
            // without a reply, the requests find out what is wrong
            inspected.await;
        });
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock();
        last.take_if(|last| last.elapsed() >= INTERVAL);
        let is_due = last.is_none();
        last.get_or_insert_with(Instant::now);
        is_due
    }
}

/// Reports how far the clock of this process is ahead of Redis's.
async fn compare_clocks(link: &mut Link) {
    let (own, began) = (Clock::system().now(), Instant::now());
    let (seconds, microseconds): (u64, u32) = match redis::cmd("TIME").query_async(link).await {
        Ok(time) => time,
        Err(error) => {
            let failure = RedisFailure::from(error).of_sent_command(&redis::cmd("TIME"));
            if failure.is_reply() {
                tracing::warn!(error = %failure, "failed to read Redis's clock: no user can sign in without the command TIME");
            }
            return;
        }
    };
    // Redis read its clock at some moment of the round trip
    let half = began.elapsed() / 2;
    let redis = Duration::from_secs(seconds) + Duration::from_micros(microseconds.into());
    let ahead = (own + half).as_secs_f64() - redis.as_secs_f64();
    metrics::clock_skew(ahead);
    if ahead.abs() > (TOLERANCE + half).as_secs_f64() {
        let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
        tracing::warn!(
            "the clock of this machine is {:.0} s {direction} that of Redis: sessions end too early or too late here, \
             until one of them is set",
            ahead.abs()
        );
    }
}

/// Warns if Redis evicts keys. Returns whether it replied.
async fn read_policy(link: &mut Link) -> bool {
    let info: String = match redis::cmd("INFO").arg("memory").query_async(link).await {
        Ok(info) => info,
        // few users may run it
        Err(error) => return RedisFailure::from(error).is_reply(),
    };
    let value = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(policy) = value("maxmemory_policy:")
        && policy != "noeviction"
        && value("maxmemory:") != Some("0")
    {
        tracing::warn!(
            "Redis evicts keys when its memory is full (maxmemory-policy {policy}): sessions end early, and those whose \
             index was evicted are neither listed nor revoked; set maxmemory-policy to noeviction"
        );
    }
    true
}
