//! A fault suite for any HTTP session stack. `README.md` says how a server takes part.

mod experiment;
mod experiments;
mod lab;

pub use self::experiment::{Experiment, Outcome, Verdict};
pub use self::experiments::all;
pub use self::lab::Lab;
