//! Where log records go, and which.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::util::SubscriberInitExt;

/// How log records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Which log records are written, in the words of [`EnvFilter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Why a [`LogFilter`] is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogFilterError {
    /// A single word is a level. (To [`EnvFilter`] any other is a part of the program to log everything of, so a
    /// misspelt level would silence all the rest.)
    #[error("a level is off, error, warn, info, debug or trace; one for a part is written part=level")]
    Level,
    /// What [`EnvFilter`] says.
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

/// Sends what `tracing` and `log` record to the standard error stream. A second call in one process changes nothing.
pub(crate) fn init(format: LogFormat, filter: &LogFilter) {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&filter.0))
        .with_writer(io::stderr);
    // Fails where a subscriber is there already: then the records go there.
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
    fn a_filter_is_levels_for_all_and_for_parts() {
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
    fn a_misspelt_level_is_no_part() {
        for filter in ["", "inof", "info,inof", "service_kit=inof", "info,,warn"] {
            assert!(filter.parse::<LogFilter>().is_err(), "{filter}");
        }
    }
}
