//! What is wrong with a command line or its variables, in one line.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// Why there are no options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The text that was asked for: by `--help`, `--version`.
    #[error("{0}")]
    Shown(String),
    /// One line that names the option and its variable and quotes no value, since that may be a password.
    #[error("{0}")]
    Wrong(String),
}

impl OptionsError {
    pub(super) fn new(command: &Command, error: &clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Shown(error.to_string()),
            _ => Self::Wrong(explain(command, error)),
        }
    }

    /// Prints this to where it belongs, and tells how the program then ends.
    #[must_use]
    pub fn print(&self) -> ExitCode {
        match self {
            Self::Shown(text) => {
                // Who reads it through a pager may have seen enough.
                let _ = io::stdout().write_all(text.as_bytes());
                ExitCode::SUCCESS
            }
            Self::Wrong(line) => {
                eprintln!("error: {line}");
                ExitCode::FAILURE
            }
        }
    }
}

/// clap's error in one line. Its own texts quote the value, which may be a password.
fn explain(command: &Command, error: &clap::Error) -> String {
    let kind = error.kind();
    let argument = match kind {
        // A value that lost its option, perhaps.
        ErrorKind::InvalidSubcommand => return "no such subcommand".to_owned(),
        // clap does not say of which option; in a variable it is found again.
        ErrorKind::InvalidUtf8 => command.get_arguments().find(|argument| {
            let value = argument.get_env().and_then(env::var_os);
            value.is_some_and(|value| value.to_str().is_none())
        }),
        _ => context(error, ContextKind::InvalidArg)
            .and_then(|name| command.get_arguments().find(|argument| argument.to_string() == name)),
    };
    let Some(argument) = argument else {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        return line.trim_start_matches("error: ").to_owned();
    };
    let empty = context(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty());
    let reason = match (kind, error.source(), context(error, ContextKind::ValidValue)) {
        (ErrorKind::InvalidUtf8, ..) => "the value is not UTF-8".to_owned(),
        (ErrorKind::ArgumentConflict, ..) => "given more than once".to_owned(),
        _ if empty => "a value is required".to_owned(),
        (_, Some(source), _) => source.to_string(),
        (_, None, Some(valid)) => format!("the value is none of {valid}"),
        (_, None, None) => "the value is not valid".to_owned(),
    };
    let words: Vec<_> = reason.split_whitespace().collect();
    format!("{}: {}", names(argument), words.join(" "))
}

/// `--bind (BIND)`
fn names(argument: &Arg) -> String {
    let option = match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => argument.to_string(),
    };
    match argument.get_env() {
        Some(variable) => format!("{option} ({})", variable.display()),
        None => option,
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(value) => Some(value.clone()),
        ContextValue::Strings(values) => Some(values.join(", ")),
        _ => None,
    }
}
