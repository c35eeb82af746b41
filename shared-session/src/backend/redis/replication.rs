//! [`Replication`]: waits until replicas have the changes of a connection (`SESSION_STORE_REPLICAS`).
//!
//! Redis's `WAIT` counts the replicas that have everything up to the last command of its own connection, and blocks that
//! connection meanwhile. So changes have connections of their own, and one `WAIT` confirms every change before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::ConnectionLike;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::RedisFailure;
use crate::timeout::until;

/// How long one `WAIT` blocks the connection at most. After that, others get their replies in between.
const WAIT: Duration = Duration::from_millis(50);

/// The changes on one connection, counted.
#[derive(Default)]
pub(super) struct Replication {
    applied: AtomicU64,
    /// How many of them are confirmed. Locked while a `WAIT` is in flight.
    confirmed: Mutex<u64>,
}

impl Replication {
    /// Waits until `replicas` replicas have the change to which `connection` has just replied.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] if fewer replicas confirm it by `deadline`.
    pub async fn confirm(
        &self,
        connection: &mut impl ConnectionLike,
        replicas: u32,
        deadline: Instant,
    ) -> Result<(), RedisFailure> {
        let change = self.applied.fetch_add(1, Ordering::Relaxed) + 1;
        let confirmed = async {
            loop {
                let mut confirmed = self.confirmed.lock().await;
                if *confirmed >= change {
                    return Ok(());
                }
                let applied = self.applied.load(Ordering::Relaxed);
                let mut wait = redis::cmd("WAIT");
                wait.arg(replicas).arg(WAIT.as_millis() as u64);
                let reply = wait.query_async::<u32>(connection).await;
                if reply.map_err(|error| RedisFailure::from(error).of_confirmation())? >= replicas {
                    *confirmed = applied;
                    return Ok(());
                }
            }
        };
        until(deadline, confirmed)
            .await
            .unwrap_or_else(|| Err(RedisFailure::unconfirmed()))
    }
}
