//! What the measurements say: the figures of the tables and of the chart.

use crate::load::Measurement;
use crate::measure::Series;
use crate::scenario::{SCENARIOS, Scenario};
use crate::server::Candidate;

/// A median and its spread.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        Self {
            median: f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]),
            min: sorted[0],
            max: sorted[last],
        }
    }
}

/// The measurements, as the tables and the chart ask for them.
pub struct Results<'a>(pub &'a [Series]);

impl Results<'_> {
    fn rounds(&self, scenario: &Scenario, candidate: Candidate) -> Option<&[Measurement]> {
        let found = self
            .0
            .iter()
            .find(|series| series.scenario.name == scenario.name && series.candidate == candidate);
        found.map(|series| series.rounds.as_slice())
    }

    /// Returns the candidate's value in relation to that of its alternative: actix-session's store, or for sessions in memory
    /// the page without a session. The two are compared within each round.
    fn relation(&self, scenario: &Scenario, candidate: Candidate, value: fn(&Measurement) -> f64) -> Option<Spread> {
        let (scenario_of_alternative, alternative) = match candidate {
            Candidate::Memory => (&SCENARIOS[0], Candidate::Bare),
            _ => (scenario, Candidate::Actix),
        };
        let rounds = self.rounds(scenario, candidate)?.iter();
        let pairs = rounds.zip(self.rounds(scenario_of_alternative, alternative)?);
        Some(Spread::new(pairs.map(|(own, other)| value(own) / value(other))))
    }

    /// Returns the ratio of requests per second.
    pub fn speed(&self, scenario: &Scenario, candidate: Candidate) -> Option<Spread> {
        self.relation(scenario, candidate, Measurement::rate)
    }

    pub fn p99(&self, scenario: &Scenario, candidate: Candidate) -> Option<Spread> {
        self.relation(scenario, candidate, |measurement| measurement.p99.as_secs_f64())
    }

    /// Returns the percentage of changes that were lost, if the scenario counts them.
    pub fn lost(&self, scenario: &Scenario, candidate: Candidate) -> Option<f64> {
        let rounds = self.rounds(scenario, candidate)?;
        let lost = rounds.iter().map(|round| round.lost).sum::<Option<u64>>()?;
        let requests: u64 = rounds.iter().map(|round| round.requests).sum();
        Some(100.0 * lost as f64 / requests as f64)
    }
}
