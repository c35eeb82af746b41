//! [`Report`]: how a server did, as JSON and as a page.

use askama::Template;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Experiment, Outcome, Verdict, all};

/// How a server did in the experiments.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The name of the server.
    pub name: String,
    /// The day of the experiments, as `2026-11-29`.
    pub date: String,
    /// The experiments that were chosen, in their order.
    pub experiments: Vec<Row>,
}

/// An experiment's outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The name of the experiment.
    pub name: String,
    /// What came out.
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    rows: Vec<(&'static Experiment, &'a Outcome)>,
}

impl Report {
    /// Returns a report of today without experiments.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self {
            name,
            date: OffsetDateTime::now_utc().date().to_string(),
            experiments: Vec::new(),
        }
    }

    /// Returns how many promises were tried, and how many of them held.
    #[must_use]
    pub fn tried_and_held(&self) -> (usize, usize) {
        let count = |is: fn(Verdict) -> bool| self.experiments.iter().filter(|row| is(row.outcome.verdict)).count();
        (
            count(|verdict| verdict != Verdict::NotTried),
            count(|verdict| verdict == Verdict::Held),
        )
    }

    /// Returns the outcome of an experiment, if it was chosen.
    #[must_use]
    pub fn outcome(&self, experiment: &Experiment) -> Option<&Outcome> {
        self.experiments
            .iter()
            .find(|row| row.name == experiment.name)
            .map(|row| &row.outcome)
    }

    /// Returns the report as a page of HTML that needs nothing else.
    ///
    /// # Errors
    ///
    /// Returns an error if the page cannot be written.
    pub fn html(&self) -> anyhow::Result<String> {
        let rows = all()
            .filter_map(|experiment| Some((experiment, self.outcome(experiment)?)))
            .collect();
        Ok(Page { report: self, rows }.render()?)
    }
}
