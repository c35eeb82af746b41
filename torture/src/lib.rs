//! A fault suite for any HTTP session stack. `README.md` says how a server takes part.

pub mod comparison;
mod experiment;
mod experiments;
mod lab;
mod report;

pub use self::experiment::{Experiment, Outcome, Verdict};
pub use self::experiments::{GROUPS, Group, all};
pub use self::lab::Lab;
pub use self::report::{Report, Row};
