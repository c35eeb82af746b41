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

/// Returns all experiments, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Experiment> {
    [
        updates::EXPERIMENTS,
        log_out::EXPERIMENTS,
        renewal::EXPERIMENTS,
        ids::EXPERIMENTS,
        cookies::EXPERIMENTS,
        cost::EXPERIMENTS,
        redis_faults::EXPERIMENTS,
        network::EXPERIMENTS,
        endurance::EXPERIMENTS,
    ]
    .into_iter()
    .flatten()
}
