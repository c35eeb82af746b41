//! The command line and its environment variables.

mod error;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use shared_session::Settings;

pub use self::error::OptionsError;
use crate::Service;
use crate::logs::{LogFilter, LogFormat};

/// Every service's options. Each has an environment variable, over which the command line has precedence.
#[derive(Parser)]
#[command(
    after_help = "Durations are written as 500ms, 15s or 1h.",
    disable_help_subcommand = true
)]
pub struct Options {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, env = "BIND", value_name = "ADDRESS:PORT", global = true)]
    pub bind: SocketAddr,

    /// How logs are written to the standard error stream
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: off, error, warn, info, debug or trace, or such a level for a part as in
    /// info,shared_session=debug
    #[arg(
        long,
        env = "LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info,actix_server=warn"
    )]
    pub log_level: LogFilter,

    /// How long requests in flight may take to finish after SIGTERM or SIGINT
    #[arg(long, env = "SHUTDOWN_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub shutdown_timeout: Duration,

    /// The session and its store
    #[command(flatten)]
    pub session: Settings,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Ask the service that listens on --bind whether it is alive: for containers, in place of curl
    Healthcheck,
}

impl Options {
    /// Reads the options of `service` from arguments, the first of which is the program, and from the environment.
    ///
    /// # Errors
    ///
    /// [`OptionsError::Shown`] for `--help` and `--version`, [`OptionsError::Wrong`] for what cannot be understood.
    pub fn parse<R>(
        service: &Service<R>,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, OptionsError> {
        let mut command = Self::command()
            .name(service.name)
            .version(service.version)
            .about(service.about)
            .mut_arg("bind", |argument| argument.required(false).default_value(service.bind))
            // Values in the environment can hold passwords, and --help gets pasted.
            .mut_args(|argument| argument.hide_env_values(true));
        command
            .try_get_matches_from_mut(arguments)
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| OptionsError::new(&command, &error))
    }
}
