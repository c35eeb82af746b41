//! The scenarios: which requests are sent, to which sessions, and by which candidates they are answered.

use crate::candidate::Candidate;

/// The sessions that a scenario uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sessions {
    /// A hundred sessions of three short fields.
    Few,
    /// As many of them as the option says.
    Many,
    /// A hundred sessions of 10 KB.
    Large,
    /// A hundred sessions of a thousand short fields.
    Fields,
    /// A hundred sessions, new for each measurement.
    New,
    /// One session, new for each measurement.
    One,
}

impl Sessions {
    /// Returns whether the sessions are created once and used in all rounds.
    pub fn is_kept(self) -> bool {
        !matches!(self, Self::New | Self::One)
    }

    pub fn count(self, many: u32) -> u32 {
        match self {
            Self::Many => many,
            Self::One => 1,
            _ => 100,
        }
    }

    /// Returns the number of additional fields, and the length of their values.
    pub fn fields(self) -> (u32, u32) {
        match self {
            Self::Large => (20, 500),
            Self::Fields => (1_000, 20),
            _ => (0, 0),
        }
    }
}

/// One row of the report.
pub struct Scenario {
    pub name: &'static str,
    /// The name of the requests in `load.lua`.
    pub requests: &'static str,
    pub sessions: Sessions,
    pub candidates: &'static [Candidate],
}

const STORES: &[Candidate] = &[Candidate::Alternative, Candidate::Redis, Candidate::Memory];
const STORES_AND_CACHE: &[Candidate] = &[
    Candidate::Alternative,
    Candidate::Redis,
    Candidate::Cache,
    Candidate::Memory,
];
const READERS: &[Candidate] = &[
    Candidate::Bare,
    Candidate::Alternative,
    Candidate::Redis,
    Candidate::Cache,
    Candidate::Memory,
];

impl Scenario {
    pub const fn new(name: &'static str, requests: &'static str, sessions: Sessions) -> Self {
        Self {
            name,
            requests,
            sessions,
            candidates: STORES,
        }
    }

    const fn with(self, candidates: &'static [Candidate]) -> Self {
        Self { candidates, ..self }
    }

    /// Returns whether the stored changes can be counted after the measurement.
    pub fn counts_changes(&self) -> bool {
        self.requests == "hot"
    }
}

/// All scenarios. The first one has the page without a session.
pub static SCENARIOS: [Scenario; 11] = [
    Scenario::new("read two fields", "read", Sessions::Few).with(&[
        Candidate::Bare,
        Candidate::Alternative,
        Candidate::AlternativeDefault,
        Candidate::Redis,
        Candidate::Memory,
    ]),
    Scenario::new("read two fields, many sessions", "read", Sessions::Many),
    Scenario::new("change one field", "change", Sessions::Few),
    Scenario::new("change one field, many sessions", "change", Sessions::Many),
    Scenario::new("change one hot session", "hot", Sessions::One),
    Scenario::new("sign in: renew and set the user", "sign-in", Sessions::New),
    Scenario::new("nine reads, one change", "mixed", Sessions::Few),
    Scenario::new("read two fields of 10 KB", "read", Sessions::Large),
    Scenario::new("change one field of 10 KB", "change", Sessions::Large),
    Scenario::new("read two of 1,000 fields", "read", Sessions::Fields),
    Scenario::new("change one of 1,000 fields", "change", Sessions::Fields),
];

/// The scenarios of `--cache`. The first one has the page without a session.
pub static CACHE_SCENARIOS: [Scenario; 4] = [
    Scenario::new("read two fields", "read", Sessions::Few).with(READERS),
    Scenario::new("read two fields, many sessions", "read", Sessions::Many).with(STORES_AND_CACHE),
    Scenario::new("change one field", "change", Sessions::Few).with(STORES_AND_CACHE),
    Scenario::new("nine reads, one change", "mixed", Sessions::Few).with(STORES_AND_CACHE),
];
