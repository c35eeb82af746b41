//! [`Experiment`]: a promise, why it matters, and how it is tried.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use anyhow::Result;

use crate::Lab;

/// A running experiment.
type Run<'a> = Pin<Box<dyn Future<Output = Result<Finding>> + Send + 'a>>;

/// One experiment.
pub struct Experiment {
    /// A short name, for `--only` and reports in JSON.
    pub name: &'static str,
    /// What must hold, as a sentence.
    pub promise: &'static str,
    /// Why that matters to a user.
    pub why: &'static str,
    /// A public report of the fault.
    pub report: &'static str,
    /// What the figure counts.
    pub counts: &'static str,
    /// Whether it takes more than some seconds.
    pub is_long: bool,
    /// Whether the server has to know Sentinel addresses.
    pub needs_sentinel: bool,
    pub(crate) run: fn(&Lab) -> Run<'_>,
}

impl Experiment {
    /// Runs the experiment.
    pub async fn run(&self, lab: &Lab) -> Outcome {
        match (self.run)(lab).await {
            Ok(Finding { held: true, figure }) => Outcome {
                verdict: Verdict::Held,
                figure,
            },
            Ok(Finding { held: false, figure }) => Outcome {
                verdict: Verdict::Failed,
                figure,
            },
            Err(error) => Outcome {
                verdict: Verdict::Stopped,
                figure: format!("{error:#}"),
            },
        }
    }
}

/// What an experiment found out about a server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Whether the promise held.
    pub verdict: Verdict,
    /// The figure, such as "500 of 500", or why the experiment stopped.
    pub figure: String,
}

impl Outcome {
    /// Returns what came out as text, such as "updates kept: 500 of 500".
    #[must_use]
    pub fn line(&self, experiment: &Experiment) -> String {
        match self.verdict {
            Verdict::Held | Verdict::Failed => format!("{}: {}", experiment.counts, self.figure),
            Verdict::Stopped => self.figure.clone(),
            Verdict::NotTried => "the server does not claim what this needs".to_owned(),
        }
    }
}

/// Whether a promise held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It held each time.
    Held,
    /// It did not.
    Failed,
    /// The server did something that leaves the question open, such as refusing a sign-in. This counts as a failure.
    Stopped,
    /// The server does not claim the feature that the experiment needs.
    NotTried,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
            Self::NotTried => "not tried",
        })
    }
}

/// The result of an experiment that could be carried out.
pub(crate) struct Finding {
    held: bool,
    figure: String,
}

impl Finding {
    pub(crate) fn new(held: bool, figure: impl Into<String>) -> Self {
        Self {
            held,
            figure: figure.into(),
        }
    }

    /// The promise holds if all of `total` were counted.
    pub(crate) fn all(count: usize, total: usize) -> Self {
        Self::new(count == total, format!("{count} of {total}"))
    }

    /// The promise holds if none of `total` was counted.
    pub(crate) fn none(count: usize, total: usize) -> Self {
        Self::new(count == 0, format!("{count} of {total}"))
    }
}
