//! Limits how often a password may be guessed (NIST SP 800-63B, section 3.2.2): after five wrong passwords in a row each
//! further attempt waits twice as long as the one before, and after a hundred there is none.
//!
//! Strangers share one count for each account. A device on which the user has signed in before has its own, so strangers
//! cannot lock the user out of it.

mod count;
mod memory;
mod redis;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service_kit::Failure;
use service_kit::database::Database;
use shared_session::Handle;

use self::count::{Count, Counts};
use crate::account::AccountId;
use crate::token::Token;

/// How many wrong passwords in a row there may be.
const LIMIT: u32 = 100;

/// How many wrong passwords in a row cost no time.
const FREE: u32 = 5;

const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long the attempts at an ID without an account are counted. Anybody can make up IDs, so these counts do not stay.
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

impl Attempts {
    /// Returns the counts in this database.
    pub fn new(database: &Database) -> Self {
        Self {
            counts: count::open(database),
        }
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
        let attempt = self.attempt(id, is_account, source).await?;
        for _ in 0..MAX_TRIES {
            let stored = self.counts.get(&attempt.key).await?;
            let mut count = stored.as_deref().map(Count::parse).unwrap_or_default();
            if count.wrong >= LIMIT {
                return Ok(Permission::Blocked);
            }
            // a time in the future, from a clock that was ahead, counts as now, and is replaced so that the delay can pass
            let is_future = count.last > now;
            count.last = count.last.min(now);
            let wait = (count.last + delay(count.wrong)).saturating_sub(now);
            if !wait.is_zero() && !is_future {
                return Ok(Permission::Wait(wait));
            }
            if wait.is_zero() {
                count = Count {
                    wrong: count.wrong + 1,
                    last: now,
                };
            }
            if self.replace(&attempt, stored.as_deref(), count).await? {
                return Ok(if wait.is_zero() {
                    Permission::Granted(attempt)
                } else {
                    Permission::Wait(wait)
                });
            }
        }
        Ok(Permission::Wait(Duration::from_secs(1)))
    }

    /// Returns the attempt, with the count that it belongs to.
    async fn attempt(&self, id: &AccountId, is_account: bool, source: &Source) -> Result<Attempt, Failure> {
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
        Ok(attempt)
    }

    async fn replace(&self, attempt: &Attempt, expected: Option<&str>, new: Count) -> Result<bool, Failure> {
        let new = new.to_text();
        self.counts.replace(&attempt.key, expected, &new, attempt.ttl).await
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

    /// Takes back an attempt whose password was not verified.
    pub async fn cancelled(&self, attempt: &Attempt) -> Result<(), Failure> {
        for _ in 0..MAX_TRIES {
            let Some(text) = self.counts.get(&attempt.key).await? else {
                return Ok(());
            };
            let mut count = Count::parse(&text);
            count.wrong = count.wrong.saturating_sub(1);
            if self.replace(attempt, Some(&text), count).await? {
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

#[cfg(test)]
mod tests;
