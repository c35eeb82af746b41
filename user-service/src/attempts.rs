//! Limits how often a password may be guessed (NIST SP 800-63B, section 3.2.2): after five wrong passwords in a row each
//! further attempt waits twice as long as the one before, and after a hundred there is none.
//!
//! All sign-ins of an account share one count, and each session in which its user is signed in has its own, so strangers
//! cannot lock a session out. An ID without an account is counted in the same way.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service_kit::Failure;
use shared_session::Handle;

use crate::account::{Account, UserId};
use crate::texts::Texts;
use crate::token::digest;

/// How many wrong passwords in a row there may be.
const LIMIT: u32 = 100;

/// How many wrong passwords in a row cost no time.
const FREE: u32 = 5;

const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long a count is kept after its last wrong password. It does not depend on whether there is an account, which the
/// response would reveal.
const KEPT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How often a count is written again if another request changed it in between.
const MAX_TRIES: usize = 20;

/// Names a count.
#[derive(Clone, Debug)]
pub struct Key(String);

impl Key {
    /// Returns the count of the sign-ins with this ID, which is that of its account if there is one.
    pub fn of_sign_in(id: &UserId, account: Option<&Account>) -> Self {
        match account {
            Some(account) => Self::of_account(&account.id),
            None => Self(format!("user:attempts:{}", digest(id.as_str()))),
        }
    }

    /// Returns the count of the sign-ins of an account.
    pub fn of_account(account: &str) -> Self {
        Self(format!("user:attempts:{account}"))
    }

    /// Returns the count of a session in which the user of an account is signed in.
    pub fn of_session(account: &str, handle: Option<&Handle>) -> Self {
        match handle {
            Some(handle) => Self(format!("user:attempts:{account}:{handle}")),
            None => Self::of_account(account),
        }
    }
}

/// Whether a password may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may. The attempt counts as wrong, until the count is [forgotten](Attempts::forget) or the attempt
    /// [cancelled](Attempts::cancelled).
    Granted,
    /// It may not, before this time has passed.
    Wait(Duration),
    /// It may not: there were [`LIMIT`] wrong passwords in a row.
    Blocked,
}

/// Counts wrong passwords.
#[derive(Clone)]
pub struct Attempts {
    counts: Arc<dyn Texts>,
}

/// The number of wrong passwords in a row, and when the last one came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    wrong: u32,
    /// The time since the Unix epoch, in whole milliseconds.
    last: Duration,
}

impl Attempts {
    /// Counts in these texts.
    pub fn new(counts: Arc<dyn Texts>) -> Self {
        Self { counts }
    }

    /// Asks whether a password may be verified, and counts the attempt as wrong if so. It counts before the password is
    /// verified, so concurrent attempts cannot exceed the limit.
    pub async fn begin(&self, key: &Key) -> Result<Permission, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.begin_at(key, now).await
    }

    async fn begin_at(&self, key: &Key, now: Duration) -> Result<Permission, Failure> {
        for _ in 0..MAX_TRIES {
            let stored = self.counts.get(&key.0).await?;
            let mut count = stored.as_deref().map(Count::parse).unwrap_or_default();
            if count.wrong >= LIMIT {
                return Ok(Permission::Blocked);
            }
            // a time in the future, from a clock that was ahead, counts as now, and is replaced so that the delay can pass
            let is_future = count.last > now;
            count.last = count.last.min(now);
            let wait = (count.last + delay(count.wrong)).saturating_sub(now);
            let permission = if wait.is_zero() {
                count = Count {
                    wrong: count.wrong + 1,
                    last: now,
                };
                Permission::Granted
            } else {
                Permission::Wait(wait)
            };
            if (!wait.is_zero() && !is_future) || self.replace(key, stored.as_deref(), count).await? {
                return Ok(permission);
            }
        }
        Ok(Permission::Wait(Duration::from_secs(1)))
    }

    async fn replace(&self, key: &Key, expected: Option<&str>, new: Count) -> Result<bool, Failure> {
        self.counts.replace(&key.0, expected, &new.to_text(), KEPT).await
    }

    /// Forgets the wrong passwords, because a correct one was entered, or because they do not matter any more.
    pub async fn forget(&self, key: &Key) -> Result<(), Failure> {
        self.counts.remove(&key.0).await
    }

    /// Takes back an attempt whose password was not verified.
    pub async fn cancelled(&self, key: &Key) -> Result<(), Failure> {
        for _ in 0..MAX_TRIES {
            let Some(text) = self.counts.get(&key.0).await? else {
                return Ok(());
            };
            let mut count = Count::parse(&text);
            count.wrong = count.wrong.saturating_sub(1);
            if self.replace(key, Some(&text), count).await? {
                return Ok(());
            }
        }
        Ok(())
    }
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

/// Returns how long the next attempt has to wait after this number of wrong passwords.
fn delay(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(32)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests;
