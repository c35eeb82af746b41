//! The experiments, by what they are about.

mod cookies;
mod cost;
mod ids;
mod log_out;
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
    ]
    .into_iter()
    .flatten()
}
