//! What the measurements say: the figures of the tables and of the chart.

use std::fmt;

use crate::candidate::Candidate;
use crate::load::Measurement;
use crate::measure::Series;
use crate::scenario::{SCENARIOS, Scenario};

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

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        write!(formatter, "{median:.2} ({min:.2} to {max:.2})")
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

    /// Returns one series in relation to another one. The two are compared within each round.
    pub fn relation(
        &self,
        one: (&Scenario, Candidate),
        other: (&Scenario, Candidate),
        value: fn(&Measurement) -> f64,
    ) -> Option<Spread> {
        let pairs = self.rounds(one.0, one.1)?.iter().zip(self.rounds(other.0, other.1)?);
        Some(Spread::new(pairs.map(|(one, other)| value(one) / value(other))))
    }

    /// Returns the requests per second in relation to the alternative, or for sessions in memory to the page without a session.
    pub fn speed(&self, scenario: &Scenario, candidate: Candidate) -> Option<Spread> {
        match candidate {
            Candidate::Memory => self.share_of_bare(scenario, candidate),
            _ => self.relation(
                (scenario, candidate),
                (scenario, Candidate::Alternative),
                Measurement::rate,
            ),
        }
    }

    /// Returns the requests per second in relation to the page without a session.
    pub fn share_of_bare(&self, scenario: &Scenario, candidate: Candidate) -> Option<Spread> {
        self.relation(
            (scenario, candidate),
            (&SCENARIOS[0], Candidate::Bare),
            Measurement::rate,
        )
    }

    /// Returns the p99 in relation to the alternative.
    pub fn p99(&self, scenario: &Scenario, candidate: Candidate) -> Option<Spread> {
        let p99 = |measurement: &Measurement| measurement.p99.as_secs_f64();
        self.relation((scenario, candidate), (scenario, Candidate::Alternative), p99)
    }

    /// Returns the percentage of changes that were lost, if the scenario counts them.
    pub fn lost(&self, scenario: &Scenario, candidate: Candidate) -> Option<f64> {
        let rounds = self.rounds(scenario, candidate)?;
        let lost = rounds.iter().map(|round| round.lost).sum::<Option<u64>>()?;
        let requests: u64 = rounds.iter().map(|round| round.requests).sum();
        Some(100.0 * lost as f64 / requests as f64)
    }
}
