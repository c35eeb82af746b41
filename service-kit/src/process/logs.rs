//! Logs: their format, their filter, and where they go.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic;
use std::str::FromStr;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::util::SubscriberInitExt;

use super::log_writer::{self, Flush};

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

/// Writes the records of `tracing` and `log`, and panics, to the standard error stream. No request waits for that. A second
/// call in a process does nothing. The process keeps the result until its end.
///
/// # Errors
///
/// Returns an error if the process has no file descriptor left.
pub(crate) fn init(format: LogFormat, filter: &LogFilter) -> io::Result<Flush> {
    let (writer, flush) = log_writer::open()?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter.to_env_filter())
        // they would be printed, which panics if the standard error stream is broken
        .log_internal_errors(false)
        .with_ansi(format == LogFormat::Text && io::stderr().is_terminal())
        .with_writer(writer);
    // fails if a subscriber exists, which then keeps the records
    let is_first = match format {
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init(),
        LogFormat::Text => logs.finish().try_init(),
    };
    if is_first.is_ok() {
        panic::set_hook(Box::new(|panic| {
            let backtrace = Backtrace::capture();
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
            error!(backtrace, "{panic}");
        }));
    }
    Ok(flush)
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
