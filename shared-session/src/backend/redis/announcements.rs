//! [`Announcements`]: the fail-overs that Sentinels announce before they begin.
//!
//! At a fail-over that an operator asks for, the former primary is alive. For up to a second after the promotion, another
//! replica still follows it and confirms its changes, which are lost. So nothing is sent to the former primary after the
//! announcement, which comes 0.1 s or more before the promotion.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisResult;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::RedisFailure;
use super::connector::{Address, Endpoint};
use super::sentinel::failure;
use crate::timeout::until;

/// How long an announcement counts, if the Sentinels name no other primary.
const LONGEST_FAIL_OVER: Duration = Duration::from_secs(5);
/// How long it takes until a lost connection to a Sentinel is replaced.
const PAUSE: Duration = Duration::from_secs(1);

/// The channel in which a Sentinel announces a fail-over.
const BEGINS: &str = "+try-failover";
/// The channels in which it calls the fail-over off.
const ENDS: [&str; 3] = [
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
];

/// Listens to Sentinels.
pub(super) struct Announcements {
    /// The name of the primary.
    primary: Arc<str>,
    last: watch::Sender<Option<Announcement>>,
}

/// The last announcement.
#[derive(Clone)]
pub(super) struct LastAnnouncement(watch::Receiver<Option<Announcement>>);

struct Announcement {
    /// The primary that another server replaces.
    former: Address,
    ends: Instant,
}

impl Announcements {
    pub fn new(primary: Arc<str>) -> (Self, LastAnnouncement) {
        let (last, receiver) = watch::channel(None);
        (Self { primary, last }, LastAnnouncement(receiver))
    }

    /// Listens to a Sentinel for ever.
    pub async fn listen(self: Arc<Self>, sentinel: Endpoint, timeout: Duration) {
        let mut is_logged = false;
        loop {
            // a Sentinel that is unreachable announces nothing, which the log says elsewhere
            if let Err(error) = self.receive(&sentinel, timeout).await
                && error.code().is_some()
                && !is_logged
            {
                is_logged = true;
                let error = RedisFailure::from(error);
                tracing::warn!(%error, "Sentinel does not announce fail-overs: changes in their last second may be lost");
            }
            sleep(PAUSE).await;
        }
    }

    /// Listens until the connection ends.
    async fn receive(&self, sentinel: &Endpoint, timeout: Duration) -> RedisResult<()> {
        let subscribed = until(Instant::now() + timeout, async {
            let mut connection = sentinel.client()?.get_async_pubsub().await?;
            for channel in ENDS.into_iter().chain([BEGINS]) {
                connection.subscribe(channel).await?;
            }
            Ok(connection.into_on_message())
        });
        let mut messages = subscribed
            .await
            .unwrap_or_else(|| Err(failure("no reply from a Sentinel in time")))?;
        while let Some(message) = messages.next().await {
            self.note(message.get_channel_name(), &message.get_payload::<String>()?);
        }
        Ok(())
    }

    /// Notes a message such as `master mymaster 10.0.0.1 6379`.
    fn note(&self, channel: &str, message: &str) {
        let words: Vec<_> = message.split(' ').collect();
        let &["master", name, host, port, ..] = &words[..] else {
            return;
        };
        let Ok(port) = port.parse() else {
            return;
        };
        if name != &*self.primary {
            return;
        }
        self.last.send_replace((channel == BEGINS).then(|| {
            tracing::info!(redis.host = host, redis.port = port, "Sentinel begins a fail-over");
            Announcement {
                former: (host.to_owned(), port),
                ends: Instant::now() + LONGEST_FAIL_OVER,
            }
        }));
    }
}

impl LastAnnouncement {
    /// Returns whether another server is about to replace this one as the primary.
    pub fn is_about(&self, address: &Address) -> bool {
        let last = self.0.borrow();
        last.as_ref()
            .is_some_and(|last| last.former == *address && Instant::now() < last.ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcement_counts_until_it_is_called_off() {
        let (announcements, last) = Announcements::new("mymaster".into());
        let (host, other) = (("h".to_owned(), 1), ("h".to_owned(), 2));
        for message in [
            "master another h 1",
            "slave h:1 h 1 @ mymaster h 2",
            "master mymaster h",
            "",
        ] {
            announcements.note(BEGINS, message);
            assert!(!last.is_about(&host), "{message}");
        }
        announcements.note(BEGINS, "master mymaster h 1");
        assert!(last.is_about(&host) && !last.is_about(&other));
        announcements.note(ENDS[0], "master another h 1");
        assert!(last.is_about(&host));
        announcements.note(ENDS[0], "master mymaster h 1");
        assert!(!last.is_about(&host));
    }

    #[tokio::test(start_paused = true)]
    async fn announcement_without_a_fail_over_expires() {
        let (announcements, last) = Announcements::new("mymaster".into());
        announcements.note(BEGINS, "master mymaster h 1");
        tokio::time::advance(LONGEST_FAIL_OVER).await;
        assert!(!last.is_about(&("h".to_owned(), 1)));
    }
}
