//! The contract suite fails on backends that break one promise each: a suite that cannot fail would prove nothing.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shared_session::Format;
use shared_session::backend::memory::Memory;
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session::testing::{TestBed, TestClock, backend, renewal, sessions};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// None: the proof that the rest of this file blames the right thing.
    None,
    /// Replaces whatever is there, as a store that writes whole states does.
    ReplacesAnything,
    /// Writes a record that is gone, as `SET` without a condition does.
    BringsBack,
    /// Says that it removed.
    NeverRemoves,
    /// Creates over what is there.
    CreatesOverOthers,
    /// Reads without beginning the idle time anew, as a plain `GET`.
    DoesNotSlide,
    /// Keeps what is UTF-8.
    KeepsText,
    /// Keeps records for ever.
    NeverExpires,
}

struct Broken {
    backend: Memory,
    fault: Fault,
}

const FOREVER: Duration = Duration::from_secs(1_000_000_000);

#[async_trait]
impl Backend for Broken {
    async fn load(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, BackendError> {
        match self.fault {
            Fault::NeverExpires => self.backend.load(key, FOREVER).await,
            Fault::DoesNotSlide => match self.backend.replace(key, b"?", b"?", ttl).await? {
                Outcome::Changed(record) => Ok(Some(record)),
                _ => Ok(None),
            },
            _ => self.backend.load(key, ttl).await,
        }
    }

    async fn create(&self, key: &str, record: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        let ttl = if self.fault == Fault::NeverExpires {
            FOREVER
        } else {
            ttl
        };
        let text = String::from_utf8_lossy(record);
        let record = if self.fault == Fault::KeepsText {
            text.as_bytes()
        } else {
            record
        };
        let created = self.backend.create(key, record, ttl).await?;
        if !created && self.fault == Fault::CreatesOverOthers {
            let Outcome::Changed(there) = self.backend.replace(key, b"?", record, ttl).await? else {
                return Ok(false);
            };
            return Ok(self.backend.replace(key, &there, record, ttl).await? == Outcome::Done);
        }
        Ok(created)
    }

    async fn replace(&self, key: &str, expected: &[u8], record: &[u8], ttl: Duration) -> Result<Outcome, BackendError> {
        let ttl = if self.fault == Fault::NeverExpires {
            FOREVER
        } else {
            ttl
        };
        let outcome = self.backend.replace(key, expected, record, ttl).await?;
        match (outcome, self.fault) {
            (Outcome::Changed(there), Fault::ReplacesAnything) => self.backend.replace(key, &there, record, ttl).await,
            (Outcome::Gone, Fault::BringsBack) => {
                self.backend.create(key, record, ttl).await?;
                Ok(Outcome::Done)
            }
            (outcome, _) => Ok(outcome),
        }
    }

    async fn remove(&self, key: &str, expected: &[u8]) -> Result<Outcome, BackendError> {
        match self.fault {
            Fault::NeverRemoves => Ok(Outcome::Done),
            _ => self.backend.remove(key, expected).await,
        }
    }

    async fn ping(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

struct Bed {
    backend: Arc<Broken>,
    clock: TestClock,
}

impl TestBed for Bed {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    fn format(&self) -> Format {
        Format::Json
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

/// Whether a function of the suite passes on a backend with the fault.
macro_rules! passes {
    ($check:path, $fault:expr) => {{
        let clock = TestClock::default();
        let backend = Memory::new(clock.clock());
        let bed = Bed {
            backend: Arc::new(Broken { backend, fault: $fault }),
            clock,
        };
        tokio::spawn(async move { $check(&bed).await }).await.is_ok()
    }};
}

macro_rules! bites {
    ($($check:path => $($fault:ident),+;)+) => {
        $(
            assert!(passes!($check, Fault::None), "{} fails on a sound backend", stringify!($check));
            $(assert!(
                !passes!($check, Fault::$fault),
                "{} passes on a backend that is broken: {}", stringify!($check), stringify!($fault)
            );)+
        )+
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn each_promise_fails_on_a_backend_that_breaks_it() {
    bites! {
        backend::steps_are_compared => ReplacesAnything, BringsBack, NeverRemoves, CreatesOverOthers;
        backend::any_bytes_are_kept => KeepsText;
        backend::records_expire => DoesNotSlide, NeverExpires;
        backend::one_of_many_steps_wins => ReplacesAnything;
        sessions::disjoint_changes_all_take_effect => ReplacesAnything;
        sessions::removals_and_additions_do_not_meet => ReplacesAnything;
        sessions::reading_brings_nothing_back => ReplacesAnything;
        sessions::destruction_is_final => BringsBack, NeverRemoves;
        sessions::destruction_wins_every_race => BringsBack, NeverRemoves;
        sessions::expiry_is_final => BringsBack, NeverExpires;
        sessions::both_clocks_end_a_session => NeverExpires, DoesNotSlide;
        sessions::unreadable_records_stay => ReplacesAnything;
        renewal::a_change_during_renewal_is_kept => ReplacesAnything;
        renewal::late_changes_follow => ReplacesAnything, BringsBack;
        renewal::one_of_many_renewals_wins => ReplacesAnything;
        renewal::destruction_ends_a_renewed_session => NeverRemoves;
    }
}
