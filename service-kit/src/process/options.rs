//! The command line and its environment variables.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use shared_session::Settings;

use super::logs::{LogFilter, LogFormat};
use crate::Service;
use crate::service::PRINCIPAL_FIELD;

/// How many sessions a user of the site may have, unless `SESSION_MAX_PER_USER` says otherwise (OWASP ASVS 7.1.2).
const MAX_PER_USER: &str = "50";

/// The options of every service. Each has an environment variable, and the command line has precedence over it.
#[derive(Parser)]
#[command(
    after_help = "Durations are written as 500ms, 15s or 1h.",
    disable_help_subcommand = true
)]
pub struct Options {
    /// Address and port to listen on; port 0 takes any free port
    #[arg(long, env = "BIND", value_name = "ADDRESS:PORT", global = true, value_parser = address)]
    pub bind: SocketAddr,

    /// Format of the logs, which go to the standard error stream
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Lowest level to log: off, error, warn, info, debug or trace; levels for single modules as in
    /// info,shared_session=debug
    #[arg(
        long,
        env = "LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info,actix_server=warn"
    )]
    pub log_level: LogFilter,

    /// How long requests in flight, and what they have begun to change, may take to finish after SIGTERM or SIGINT
    #[arg(long, env = "SHUTDOWN_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub shutdown_timeout: Duration,

    /// The settings of the sessions
    #[command(flatten)]
    pub session: Settings,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check that the service that listens on --bind is alive: for containers, instead of curl
    Healthcheck,
}

impl Options {
    /// Reads the options of `service` from arguments, the first of which is the name of the program, and from the
    /// environment.
    ///
    /// # Errors
    ///
    /// Returns the text of `--help` or `--version`, or else one line that names the option and its variable. It quotes
    /// no value, because a value may contain a password. `clap::Error::exit` prints it and ends the process.
    pub fn parse(
        service: &Service,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let (options, _) = Self::parse_matches(service, arguments, |command| command)?;
        Ok(options)
    }

    /// Reads the options as [`Options::parse`] does, and a subcommand of the service if there is one.
    pub(crate) fn parse_with_commands<S: Subcommand>(
        service: &Service,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<(Self, Option<S>), clap::Error> {
        let (options, matches) = Self::parse_matches(service, arguments, S::augment_subcommands)?;
        let is_own = matches.subcommand_name().is_some_and(S::has_subcommand);
        let command = is_own.then(|| S::from_arg_matches(&matches)).transpose()?;
        Ok((options, command))
    }

    fn parse_matches(
        service: &Service,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        add_commands: impl FnOnce(clap::Command) -> clap::Command,
    ) -> Result<(Self, ArgMatches), clap::Error> {
        let mut command = add_commands(Self::command())
            .name(service.name)
            .version(service.version)
            .about(service.about)
            .mut_arg("bind", |argument| argument.required(false).default_value(service.bind))
            .mut_arg("session-principal-field", |argument| {
                argument.default_value(PRINCIPAL_FIELD)
            })
            .mut_arg("session-max-per-user", |argument| argument.default_value(MAX_PER_USER))
            // values in the environment may contain passwords
            .mut_args(|argument| argument.hide_env_values(true));
        command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Ok((Self::from_arg_matches(&matches)?, matches)))
            .map_err(|error| match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error,
                // the error of a session setting, which is one line already
                ErrorKind::ValueValidation if error.get(ContextKind::InvalidArg).is_none() => error,
                kind => {
                    // clap has built only the subcommands that were named
                    command.build();
                    clap::Error::raw(kind, explain(&command, &error) + "\n")
                }
            })
    }
}

/// Parses the value of `--bind`, or returns how to write it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
    text.parse().map_err(|_| match port {
        Ok(port) => {
            format!("the address is missing; write it as 127.0.0.1:{port}, or 0.0.0.0:{port} for every network")
        }
        Err(_) => "it is an IP address and a port; write it as 127.0.0.1:8080 or [::1]:8080".to_owned(),
    })
}

/// Returns the text of an error in one line, without the value that clap would quote.
fn explain(command: &clap::Command, error: &clap::Error) -> String {
    let kind = error.kind();
    let name = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let mut arguments = arguments(command);
    let argument = arguments.find(|argument| match kind {
        // clap does not name the option, so the variable with such a value is looked up
        ErrorKind::InvalidUtf8 => {
            let value = argument.get_env().and_then(env::var_os);
            value.is_some_and(|value| value.to_str().is_none())
        }
        _ => argument.to_string() == name,
    });
    let no_value = context(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty());
    let reason = match (kind, error.source(), context(error, ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, ..) if no_value => "the value is missing".to_owned(),
        (ErrorKind::UnknownArgument, ..) if name.starts_with('-') => format!("unknown option {name}"),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, ..) => "the subcommand is missing; see --help".to_owned(),
        (ErrorKind::ArgumentConflict, ..) => "the option is given more than once".to_owned(),
        (_, Some(source), _) => source.to_string(),
        (_, None, Some(values)) => format!("unknown value; use one of {values}"),
        _ => kind.to_string(),
    };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match argument {
        Some(argument) => format!("{}: {reason}", names(argument)),
        None => reason,
    }
}

/// Returns the arguments of a command and of its subcommands.
fn arguments(command: &clap::Command) -> Box<dyn Iterator<Item = &Arg> + '_> {
    Box::new(
        command
            .get_arguments()
            .chain(command.get_subcommands().flat_map(arguments)),
    )
}

/// Returns an option and its variable, such as `--bind (BIND)`.
fn names(argument: &Arg) -> String {
    match (argument.get_long(), argument.get_env()) {
        (Some(option), Some(variable)) => format!("--{option} ({})", variable.display()),
        (Some(option), None) => format!("--{option}"),
        (None, _) => argument.to_string(),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(value) => Some(value.clone()),
        ContextValue::Strings(values) => Some(values.join(", ")),
        _ => None,
    }
}
