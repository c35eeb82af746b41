//! Logs: their format, their filter, and where they go.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::util::SubscriberInitExt;

/// The format of log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines of text, for reading.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

/// Which log records are written, in the syntax of [`EnvFilter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Why a text is not a [`LogFilter`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogFilterError {
    /// An unknown level. ([`EnvFilter`] takes an unknown word for a module to log in full, so a misspelt level would
    /// silence all other modules.)
    #[error("unknown level; use off, error, warn, info, debug or trace, or module=level for one module")]
    Level,
    /// The text is invalid for [`EnvFilter`].
    #[error(transparent)]
    Filter(#[from] ParseError),
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::builder().parse(text)?;
        let mut words = text.split(',').filter(|part| !part.contains(['=', '[', '}']));
        if words.all(|word| !word.is_empty() && word.parse::<LevelFilter>().is_ok()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(LogFilterError::Level)
        }
    }
}

impl LogFilter {
    fn to_env_filter(&self) -> EnvFilter {
        // it logs a malformed request as an error, although nothing failed here; any level for actix_http shows it again
        let quiet = if self.0.contains("actix_http") {
            ""
        } else {
            ",actix_http::h1::dispatcher=off"
        };
        EnvFilter::new(format!("{}{quiet}", self.0))
    }
}

/// Writes the records of `tracing` and `log` to the standard error stream. A second call in a process does nothing.
pub(crate) fn init(format: LogFormat, filter: &LogFilter) {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter.to_env_filter())
        .with_writer(io::stderr);
    // fails if a subscriber exists, which then keeps the records
    let _ = match format {
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init(),
        LogFormat::Text if io::stderr().is_terminal() => logs.finish().try_init(),
        LogFormat::Text => logs.with_ansi(false).finish().try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::LogFilter;

    #[test]
    fn filter_accepts_levels_for_everything_and_for_modules() {
        for filter in [
            "info",
            "WARN",
            "off",
            "info,actix_server=warn",
            "info,shared_session=debug",
            "warn,[request]=debug",
        ] {
            assert!(filter.parse::<LogFilter>().is_ok(), "{filter}");
        }
    }

    #[test]
    fn misspelt_level_is_rejected() {
        for filter in ["", "inof", "info,inof", "service_kit=inof", "info,,warn"] {
            assert!(filter.parse::<LogFilter>().is_err(), "{filter}");
        }
    }
}
