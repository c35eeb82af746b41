//! What is measured.

use crate::framework::Framework;

/// A kind of session, or none, with the same pages.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
pub enum Candidate {
    /// A page without a session.
    Bare,
    /// The framework's usual sessions in Redis. Every request extends the idle timeout, as with shared-session.
    Alternative,
    /// The same by default, if that differs: only changes extend the idle timeout.
    AlternativeDefault,
    /// shared-session on Redis.
    Redis,
    /// shared-session on Redis, with `SESSION_CACHE=2s`.
    Cache,
    /// shared-session in memory.
    Memory,
}

impl Candidate {
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::Alternative,
        Self::AlternativeDefault,
        Self::Redis,
        Self::Cache,
        Self::Memory,
    ];

    /// Returns the name in tables.
    pub fn name(self, framework: Framework) -> String {
        match self {
            Self::Bare => "page without a session".to_owned(),
            Self::Alternative => format!("{}, Redis", framework.alternative()),
            Self::AlternativeDefault => format!("{}, Redis, reads do not extend", framework.alternative()),
            Self::Redis => "shared-session, Redis".to_owned(),
            Self::Cache => "shared-session, Redis, SESSION_CACHE=2s".to_owned(),
            Self::Memory => "shared-session, memory:".to_owned(),
        }
    }

    /// Returns the name as an argument.
    pub fn argument(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the database in Redis, so that no candidate sees the keys of another one.
    pub fn database(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }
}
