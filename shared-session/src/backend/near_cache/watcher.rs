//! [`Watcher`]: keeps the connection that tells which records changed, and the lease that depends on it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::records::Records;
use super::span::Moment;
use crate::backend::redis::{News, Redis, RedisFailure, Tracking};
use crate::metrics;
use crate::timeout::until;

/// How long it takes until a lost connection is replaced.
const PAUSE: Duration = Duration::from_millis(200);

/// How long it takes until a refused connection is tried again.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// The connection that tells which records changed, unless the cache is off.
#[derive(Default)]
pub(super) struct Current(RwLock<Option<Arc<Connection>>>);

pub(super) struct Connection {
    pub tracking: Tracking,
    /// Distinguishes it from earlier connections.
    pub number: u64,
}

/// Keeps a connection to Redis, and replaces it when it ends.
pub(super) struct Watcher {
    redis: Arc<Redis>,
    records: Arc<Records>,
    current: Arc<Current>,
    /// How long a record may be out of date.
    bound: Duration,
}

impl Current {
    /// Returns the connection, if reads over it are remembered.
    pub fn get(&self) -> Option<Arc<Connection>> {
        let current = self.0.read();
        current
            .as_ref()
            .filter(|connection| connection.tracking.is_usable())
            .cloned()
    }
}

impl Watcher {
    pub fn new(redis: Arc<Redis>, records: Arc<Records>, current: Arc<Current>, bound: Duration) -> Self {
        Self {
            redis,
            records,
            current,
            bound,
        }
    }

    /// Starts on this runtime, or else on a thread of its own, where no busy worker delays the news. Ends when `cancelled` is
    /// cancelled.
    pub fn start(self, cancelled: CancellationToken, runtime: Option<&Handle>) {
        if let Some(runtime) = runtime {
            runtime.spawn(async move { cancelled.run_until_cancelled(self.run()).await });
            return;
        }
        let started = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let run = move || {
                runtime.block_on(cancelled.run_until_cancelled(self.run()));
            };
            thread::Builder::new().name("session-cache".to_owned()).spawn(run)
        });
        if let Err(error) = started {
            tracing::error!(%error, "failed to start the thread of the session cache: the cache is off");
        }
    }

    async fn run(self) {
        metrics::cache_is_off();
        let mut is_logged = false;
        loop {
            let ended = self.watch(&mut is_logged).await;
            *self.current.0.write() = None;
            self.records.wake();
            metrics::cache_is_off();
            let pause = match ended {
                Err(failure) if failure.is_reply() => {
                    if !is_logged {
                        tracing::warn!(error = %failure, "session cache is off: Redis refuses to tell which sessions change");
                    }
                    is_logged = true;
                    LONG_PAUSE
                }
                // requests meet the same failure, and log it
                _ => PAUSE,
            };
            sleep(pause).await;
        }
    }

    /// Connects, and extends the lease while Redis replies and is the primary.
    async fn watch(&self, is_logged: &mut bool) -> Result<(), RedisFailure> {
        let records = self.records.clone();
        let tell = move |news: News<'_>| match news {
            News::Changed(key) => {
                metrics::count(metrics::CACHE_INVALIDATIONS);
                records.note_change(key);
            }
            News::AllChanged => records.note_change_of_all(),
        };
        let tracking = Tracking::connect(&self.redis, tell).await?;
        // the records of the former connection could be used until now
        let number = self.records.begin();
        let connection = Arc::new(Connection { tracking, number });
        loop {
            let (began, start) = (Moment::now(), Instant::now());
            match until(start + self.bound, connection.tracking.is_primary()).await {
                Some(Ok(true)) => self.records.extend_lease(began, self.bound),
                Some(Err(failure)) => return Err(failure),
                Some(Ok(false)) | None => break,
            }
            // only now: before, the server could be a replica, which serves reads, too
            if self.current.0.write().replace(connection.clone()).is_none() {
                self.records.wake();
            }
            metrics::cache_is_on(self.records.size(), start.elapsed());
            *is_logged = false;
            if timeout_at(start + self.bound / 4, connection.tracking.ended())
                .await
                .is_ok()
            {
                // until the lease ends, the records are as good as they were
                return Ok(());
            }
        }
        self.records.end_lease();
        Ok(())
    }
}
