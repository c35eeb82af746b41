//! The experiments, by what they are about.

mod cookies;
mod cost;
mod crowd;
mod endurance;
mod ids;
mod log_out;
mod network;
mod redis_faults;
mod renewal;
mod updates;

use crate::Experiment;

/// Experiments about one thing, and what that is.
pub type Group = (&'static str, &'static [Experiment]);

/// All experiments, in the order of reports.
pub const GROUPS: &[Group] = &[
    ("Updates", updates::EXPERIMENTS),
    ("Log-out", log_out::EXPERIMENTS),
    ("Renewal and sign-in", renewal::EXPERIMENTS),
    ("Ids", ids::EXPERIMENTS),
    ("Cookies", cookies::EXPERIMENTS),
    ("Cost", cost::EXPERIMENTS),
    ("A Redis that fails", redis_faults::EXPERIMENTS),
    ("The way to Redis", network::EXPERIMENTS),
    ("Endurance", endurance::EXPERIMENTS),
];

/// Returns all experiments, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Experiment> {
    GROUPS.iter().flat_map(|(_, experiments)| *experiments)
}
