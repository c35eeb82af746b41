//! Limits how often a password may be guessed (NIST SP 800-63B, section 3.2.2): after five wrong passwords in a row each
//! further attempt waits twice as long as the one before, and after a hundred there is none.
//!
//! Strangers share one count for each account, and a device on which the user has signed in before has its own, so
//! strangers cannot lock the user out of it. It knows neither passwords nor pages.

mod memory;
mod redis;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use service_kit::Failure;
use service_kit::database::Database;
use shared_session::Handle;

use self::memory::MemoryCounts;
use self::redis::RedisCounts;
use crate::account::AccountId;
use crate::token::Token;

/// How many wrong passwords in a row there may be.
const LIMIT: u32 = 100;

/// How many wrong passwords in a row cost no time.
const FREE: u32 = 5;

const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long an ID without an account is counted: its count does not stay, because anybody can make up IDs.
const UNKNOWN_ID_TTL: Duration = Duration::from_secs(2 * 3600);

/// How long a device is known without a sign-in, and how long a session's attempts are counted.
const DEVICE_TTL: Duration = Duration::from_secs(90 * 24 * 3600);

/// How often a count is written again if another request changed it in between.
const MAX_TRIES: usize = 20;

/// Where an attempt comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A sign-in, perhaps with the token of a device that the user has signed in on.
    SignIn(Option<Token>),
    /// A session in which the user is signed in.
    Session(Option<Handle>),
}

/// Whether a password may be verified.
#[derive(Debug)]
pub enum Permission {
    /// It may. The attempt counts as wrong until it is [settled](Attempts::succeeded).
    Granted(Attempt),
    /// It may not, before this time has passed.
    Wait(Duration),
    /// It may not: there were [`LIMIT`] wrong passwords in a row.
    Blocked,
}

/// An attempt that is counted as wrong.
#[derive(Debug)]
pub struct Attempt {
    key: String,
    is_of_device: bool,
    ttl: Option<Duration>,
}

/// Counts the wrong passwords of each account.
#[derive(Clone)]
pub struct Attempts {
    counts: Arc<dyn Counts>,
}

/// Stores counts as short texts.
#[async_trait]
trait Counts: Send + Sync {
    /// Returns the text under a key.
    async fn get(&self, key: &str) -> Result<Option<String>, Failure>;

    /// Replaces the text under a key, for this time or without an end, if it is the expected one. Returns whether it was.
    async fn replace(
        &self,
        key: &str,
        expected: Option<&str>,
        new: &str,
        ttl: Option<Duration>,
    ) -> Result<bool, Failure>;

    /// Stores a text under a key for this time.
    async fn set(&self, key: &str, new: &str, ttl: Duration) -> Result<(), Failure>;

    /// Removes the text under a key.
    async fn remove(&self, key: &str) -> Result<(), Failure>;
}

/// The number of wrong passwords in a row, and when the last one came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    wrong: u32,
    /// The time since the Unix epoch, in whole milliseconds.
    last: Duration,
}

impl Attempts {
    /// Returns the counts in this database.
    pub fn new(database: &Database) -> Self {
        let counts: Arc<dyn Counts> = match database {
            Database::Memory => Arc::new(MemoryCounts::default()),
            Database::Redis(redis) => Arc::new(RedisCounts::new(redis.clone())),
        };
        Self { counts }
    }

    /// Asks whether a password for this ID may be verified, and counts the attempt as wrong if so. It counts before the
    /// password is verified, so concurrent attempts cannot exceed the limit.
    pub async fn begin(&self, id: &AccountId, is_account: bool, source: &Source) -> Result<Permission, Failure> {
        self.begin_at(id, is_account, source, now()).await
    }

    async fn begin_at(
        &self,
        id: &AccountId,
        is_account: bool,
        source: &Source,
        now: Duration,
    ) -> Result<Permission, Failure> {
        let mut attempt = Attempt {
            key: account_key(id),
            is_of_device: false,
            ttl: (!is_account).then_some(UNKNOWN_ID_TTL),
        };
        match source {
            Source::SignIn(Some(token)) => {
                let key = device_key(id, token);
                // a device that nobody has signed in on is a stranger's
                if self.counts.get(&key).await?.is_some() {
                    attempt = Attempt {
                        key,
                        is_of_device: true,
                        ttl: Some(DEVICE_TTL),
                    };
                }
            }
            Source::Session(Some(handle)) => {
                attempt.key = session_key(id, handle);
                attempt.ttl = Some(DEVICE_TTL);
            }
            Source::SignIn(None) | Source::Session(None) => {}
        }
        for _ in 0..MAX_TRIES {
            let text = self.counts.get(&attempt.key).await?;
            let count = text.as_deref().map(Count::parse).unwrap_or_default();
            if count.wrong >= LIMIT {
                return Ok(Permission::Blocked);
            }
            // a time in the future, from a clock that was ahead, counts as now, and is replaced so that the delay can pass
            let is_future = count.last > now;
            let count = Count {
                last: count.last.min(now),
                ..count
            };
            let wait = (count.last + delay(count.wrong)).saturating_sub(now);
            if !wait.is_zero() {
                let text = text.as_deref();
                if is_future
                    && !self
                        .counts
                        .replace(&attempt.key, text, &count.to_text(), attempt.ttl)
                        .await?
                {
                    continue;
                }
                return Ok(Permission::Wait(wait));
            }
            let new = Count {
                wrong: count.wrong + 1,
                last: now,
            };
            let (text, new) = (text.as_deref(), new.to_text());
            if self.counts.replace(&attempt.key, text, &new, attempt.ttl).await? {
                return Ok(Permission::Granted(attempt));
            }
        }
        Ok(Permission::Wait(Duration::from_secs(1)))
    }

    /// Forgets the wrong passwords before this attempt, because its password is correct.
    pub async fn succeeded(&self, attempt: &Attempt) -> Result<(), Failure> {
        if attempt.is_of_device {
            self.counts
                .set(&attempt.key, &Count::default().to_text(), DEVICE_TTL)
                .await
        } else {
            self.counts.remove(&attempt.key).await
        }
    }

    /// Takes an attempt back whose password was not verified.
    pub async fn cancelled(&self, attempt: &Attempt) -> Result<(), Failure> {
        for _ in 0..MAX_TRIES {
            let Some(text) = self.counts.get(&attempt.key).await? else {
                return Ok(());
            };
            let count = Count::parse(&text);
            let new = Count {
                wrong: count.wrong.saturating_sub(1),
                ..count
            };
            let new = new.to_text();
            let replaced = self.counts.replace(&attempt.key, Some(&text), &new, attempt.ttl);
            if replaced.await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Forgets the wrong passwords of strangers, for an account whose password was changed or that was deleted.
    pub async fn forget(&self, id: &AccountId) -> Result<(), Failure> {
        self.counts.remove(&account_key(id)).await
    }

    /// Remembers a device on which the user of this account has signed in.
    pub async fn remember(&self, id: &AccountId, device: &Token) -> Result<(), Failure> {
        let key = device_key(id, device);
        self.counts.set(&key, &Count::default().to_text(), DEVICE_TTL).await
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns how long the next attempt has to wait after this number of wrong passwords.
fn delay(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(32)).min(LONGEST_WAIT),
    }
}

fn account_key(id: &AccountId) -> String {
    format!("user:attempts:{}", id.as_str())
}

fn session_key(id: &AccountId, handle: &Handle) -> String {
    format!("user:attempts:{}:{handle}", id.as_str())
}

fn device_key(id: &AccountId, token: &Token) -> String {
    format!("user:device:{}:{}", id.as_str(), token.digest())
}

impl Count {
    /// Parses the text of a count. Anything else counts as no wrong password, since nobody but this service writes it.
    fn parse(text: &str) -> Self {
        let parsed = text.split_once(' ').and_then(|(wrong, last)| {
            let (wrong, last) = (wrong.parse().ok()?, last.parse().ok()?);
            Some(Self {
                wrong,
                last: Duration::from_millis(last),
            })
        });
        parsed.unwrap_or_default()
    }

    fn to_text(self) -> String {
        format!("{} {}", self.wrong, self.last.as_millis())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use service_kit::testing::database;
    use shared_session_testkit::servers::RedisServer;
    use tokio::task::JoinSet;

    use super::*;

    const START: Duration = Duration::from_secs(1_763_830_000);
    const STRANGER: &Source = &Source::SignIn(None);

    fn anna() -> AccountId {
        AccountId::parse("anna").unwrap()
    }

    /// Runs a check on memory and on a real Redis.
    async fn on_every_store(check: impl AsyncFn(Attempts)) {
        check(Attempts::new(&Database::Memory)).await;
        let redis = RedisServer::start();
        let options = ["--session-store", &redis.url(), "--session-store-timeout", "30s"];
        check(Attempts::new(&database(&options))).await;
    }

    /// Begins an attempt, which must be granted.
    async fn begin(attempts: &Attempts, source: &Source, now: Duration) -> Attempt {
        match attempts.begin_at(&anna(), true, source, now).await.unwrap() {
            Permission::Granted(attempt) => attempt,
            other => panic!("{other:?}"),
        }
    }

    async fn wait(attempts: &Attempts, source: &Source, now: Duration) -> Duration {
        match attempts.begin_at(&anna(), true, source, now).await.unwrap() {
            Permission::Wait(wait) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn delays_grow_until_there_are_a_hundred_wrong_passwords() {
        on_every_store(async |attempts| {
            let mut now = START;
            for wrong in 0..100 {
                if wrong >= 5 {
                    let expected = Duration::from_secs(1 << (wrong - 5).min(32)).min(Duration::from_secs(3600));
                    assert_eq!(wait(&attempts, STRANGER, now).await, expected, "{wrong}");
                    now += expected;
                }
                begin(&attempts, STRANGER, now).await;
            }
            for _ in 0..2 {
                now += Duration::from_secs(1_000_000);
                let blocked = attempts.begin_at(&anna(), true, STRANGER, now).await.unwrap();
                assert!(matches!(blocked, Permission::Blocked));
            }
            attempts.forget(&anna()).await.unwrap();
            begin(&attempts, STRANGER, now).await;
        })
        .await;
    }

    #[tokio::test]
    async fn correct_password_and_unverified_password_do_not_count() {
        on_every_store(async |attempts| {
            for _ in 0..20 {
                let attempt = begin(&attempts, STRANGER, START).await;
                attempts.cancelled(&attempt).await.unwrap();
            }
            for _ in 0..3 {
                for _ in 0..4 {
                    begin(&attempts, STRANGER, START).await;
                }
                let attempt = begin(&attempts, STRANGER, START).await;
                attempts.succeeded(&attempt).await.unwrap();
            }
        })
        .await;
    }

    #[tokio::test]
    async fn concurrent_attempts_do_not_exceed_the_free_ones() {
        on_every_store(async |attempts| {
            let mut set = JoinSet::new();
            for _ in 0..100 {
                let attempts = attempts.clone();
                set.spawn(async move {
                    let permission = attempts.begin_at(&anna(), true, STRANGER, START).await.unwrap();
                    matches!(permission, Permission::Granted(_))
                });
            }
            let granted = set.join_all().await.into_iter().filter(|granted| *granted).count();
            assert_eq!(granted, 5);
        })
        .await;
    }

    #[tokio::test]
    async fn strangers_do_not_lock_out_a_known_device_or_a_session() {
        on_every_store(async |attempts| {
            let (known, unknown) = (Token::generate().unwrap(), Token::generate().unwrap());
            let handle: Handle = ("x".repeat(42) + "A").parse().unwrap();
            attempts.remember(&anna(), &known).await.unwrap();
            for _ in 0..5 {
                begin(&attempts, STRANGER, START).await;
            }
            // a token that the user has not signed in with is a stranger's
            for source in [STRANGER, &Source::SignIn(Some(unknown)), &Source::Session(None)] {
                wait(&attempts, source, START).await;
            }
            for source in [&Source::SignIn(Some(known)), &Source::Session(Some(handle))] {
                for _ in 0..4 {
                    begin(&attempts, source, START).await;
                }
                let attempt = begin(&attempts, source, START).await;
                wait(&attempts, source, START).await;
                attempts.succeeded(&attempt).await.unwrap();
                begin(&attempts, source, START).await;
            }
            // a sign-in on a known device does not give strangers more attempts
            wait(&attempts, STRANGER, START).await;
        })
        .await;
    }

    #[tokio::test]
    async fn counts_of_ids_without_an_account_expire() {
        let redis = RedisServer::start();
        let attempts = Attempts::new(&database(&["--session-store", &redis.url()]));
        for (is_account, expected) in [(true, -1..=-1), (false, 7100..=7200)] {
            attempts.begin(&anna(), is_account, STRANGER).await.unwrap();
            let ttl: i64 = redis.run(&["TTL", "user:attempts:anna"]);
            assert!(expected.contains(&ttl), "{ttl}");
            attempts.forget(&anna()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn clock_that_was_ahead_does_not_lock_an_account() {
        on_every_store(async |attempts| {
            let ahead = START + Duration::from_secs(9 * 3600);
            for _ in 0..5 {
                begin(&attempts, STRANGER, ahead).await;
            }
            let second = Duration::from_secs(1);
            assert_eq!(wait(&attempts, STRANGER, START).await, second);
            let half = second / 2;
            assert_eq!(wait(&attempts, STRANGER, START + half).await, half);
            let attempt = begin(&attempts, STRANGER, START + second).await;
            attempts.succeeded(&attempt).await.unwrap();
        })
        .await;
    }
}
