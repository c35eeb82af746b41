//! [`RedisFailure`]: an error of Redis whose text is safe to log.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::backend::BackendError;

/// An error of Redis, or of the connection to it.
///
/// Its text is the command's name with the code of Redis's error reply and what it means, as in `GETEX: ERR (unknown command)`,
/// or the kind of the client's error. The rest is withheld: Redis quotes arguments in some replies, the client quotes replies
/// in some errors, and both may hold a record or a key.
#[derive(Clone)]
pub struct RedisFailure {
    error: RedisError,
    ran: Ran,
    /// The name of the command that Redis replied to, if it is known.
    command: Option<Arc<str>>,
}

/// What a failure says about its command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// It did not run.
    No,
    /// The reply is missing.
    Unknown,
    /// It ran, but too few replicas confirmed it.
    Unconfirmed,
}

/// The node that a node of a cluster names for a key that it does not store.
pub(super) enum Redirection<'a> {
    /// It stores the key's slot.
    Moved(&'a str),
    /// It is about to store the slot. It has the key, and serves a command that is announced by `ASKING`.
    Ask(&'a str),
}

impl RedisFailure {
    /// Returns the code of Redis's error reply, if this is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.error.code()
    }

    /// Returns the failure of a command without a reply.
    pub(super) fn no_reply() -> Self {
        Self::from(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Returns the failure of a command that ran, but that too few replicas confirmed in time.
    pub(super) fn unconfirmed() -> Self {
        Self::no_reply().of_confirmation()
    }

    /// Returns this failure of a `WAIT` as that of the command that it was to confirm.
    pub(super) fn of_confirmation(self) -> Self {
        Self {
            ran: Ran::Unconfirmed,
            command: Some("WAIT".into()),
            ..self
        }
    }

    /// Returns the failure to find a node that stores a key.
    pub(super) fn no_node() -> Self {
        RedisError::from((
            ErrorKind::Client,
            "no node of the cluster names the nodes that store the slots",
        ))
        .into()
    }

    /// Returns the failure of a command that is redirected again and again.
    pub(super) fn too_many_redirections() -> Self {
        RedisError::from((
            ErrorKind::Client,
            "the nodes of the cluster redirect the command in a circle",
        ))
        .into()
    }

    /// Returns this failure as that of a command that was sent.
    pub(super) fn of_sent_command(mut self, command: &Cmd) -> Self {
        if self.ran == Ran::No && !self.is_reply() {
            self.ran = Ran::Unknown;
        }
        self.command = self.command.or_else(|| name(command));
        self
    }

    /// Returns whether the command may have run.
    pub(super) fn may_have_run(&self) -> bool {
        self.ran != Ran::No
    }

    /// Returns whether Redis replied, with an error.
    pub(in crate::backend) fn is_reply(&self) -> bool {
        self.error.code().is_some()
    }

    /// Returns whether there was no reply in time.
    pub(in crate::backend) fn is_late(&self) -> bool {
        self.error.is_timeout()
    }

    /// Returns whether a node of a cluster does not serve the key at the moment.
    pub(super) fn is_passing(&self) -> bool {
        use ServerErrorKind::{ClusterDown, TryAgain};
        matches!(self.error.kind(), ErrorKind::Server(ClusterDown | TryAgain))
    }

    /// Returns where a node of a cluster redirects the command.
    pub(super) fn redirection(&self) -> Option<Redirection<'_>> {
        let (node, _) = self.error.redirect_node()?;
        Some(match self.error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) => Redirection::Ask(node),
            _ => Redirection::Moved(node),
        })
    }

    /// Returns whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        let is_late_confirmation = self.ran == Ran::Unconfirmed && self.error.is_timeout();
        !is_late_confirmation
            && (self.error.is_unrecoverable_error() || self.error.is_timeout() || self.is_from_replica())
    }

    /// Returns whether the command may succeed on another connection.
    pub(super) fn may_be_repeated(&self) -> bool {
        self.error.is_connection_dropped() || self.is_from_replica()
    }

    /// Returns whether the server was demoted to a replica. The driver does not treat this as an error of the connection.
    fn is_from_replica(&self) -> bool {
        self.error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
    }

    /// Returns whether the server does not know an option of the command.
    pub(super) fn is_syntax_error(&self) -> bool {
        self.error.code() == Some("ERR") && self.error.detail() == Some("syntax error")
    }

    /// Returns whether the server did not accept the connection, because it has as many clients as it permits.
    fn is_out_of_clients(&self) -> bool {
        self.error
            .detail()
            .is_some_and(|text| text.contains("max number of clients"))
    }

    pub(super) fn is_unknown_script(&self) -> bool {
        self.error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        Self {
            error,
            ran: Ran::No,
            command: None,
        }
    }
}

impl fmt::Display for RedisFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ran == Ran::Unconfirmed {
            formatter.write_str("fewer replicas than SESSION_STORE_REPLICAS confirmed the change: ")?;
        }
        match (self.error.code(), self.error.kind()) {
            (Some(code), _) => {
                if let Some(command) = &self.command {
                    write!(formatter, "{command}: ")?;
                }
                formatter.write_str(code)?;
                match cause(code, self.error.detail().unwrap_or_default()) {
                    Some(cause) => write!(formatter, " ({cause})"),
                    None => Ok(()),
                }
            }
            (None, ErrorKind::Io | ErrorKind::InvalidClientConfig) => fmt::Display::fmt(&self.error, formatter),
            (None, _) => formatter.write_str(self.error.category()),
        }
    }
}

/// Returns the name of a command. Its arguments may hold a record or a key.
fn name(command: &Cmd) -> Option<Arc<str>> {
    match command.args_iter().next()? {
        redis::Arg::Simple(name) => std::str::from_utf8(name).ok().map(Arc::from),
        _ => None,
    }
}

/// Returns what an error reply means, if its text is a known one. The text itself is not repeated.
fn cause(code: &str, text: &str) -> Option<&'static str> {
    let says = |part| text.contains(part);
    Some(match code {
        "NOPERM" if says("permissions to access") => "the user may not use the key",
        "NOPERM" => "the user may not run the command",
        "MOVED" | "ASK" => {
            "the server is a node of a cluster: SESSION_STORE must begin with redis-cluster or rediss-cluster"
        }
        "DENIED" => "the server is in protected mode: it accepts local clients only",
        "OOM" => "the server has no memory left",
        "ERR" if says("unknown command") => "unknown command: Redis must be 6.2 or later",
        "ERR" if says("nknown Redis command called from") => "unknown command in the script",
        "ERR" if says("can't access at least one of the keys") => "the user may not use the key in the script",
        "ERR" if says("ACL failure in script") && says("permissions to access") => {
            "the user may not use the key in the script"
        }
        "ERR" if says("can't run this command") || says("ACL failure in script") => {
            "the user may not run a command of the script"
        }
        "ERR" if says("DB index is out of range") => "the server has no database with this number",
        "ERR" if says("permissions to run the 'select'") => "the user may not run SELECT",
        "ERR" if says("SELECT is not allowed in cluster mode") => {
            "a cluster has no database with a number other than 0"
        }
        "ERR" if says("cluster support disabled") => {
            "the server is not a node of a cluster: SESSION_STORE must begin with redis or rediss"
        }
        "ERR" if says("max number of clients") => "the server has as many clients as it permits",
        _ => return None,
    })
}

impl fmt::Debug for RedisFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RedisFailure({self})")
    }
}

// without a source, as the text of `RedisError` is not safe to log
impl Error for RedisFailure {}

impl From<RedisFailure> for BackendError {
    fn from(failure: RedisFailure) -> Self {
        match failure.error.kind() {
            _ if failure.ran == Ran::Unconfirmed => Self::unconfirmed(failure),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain,
            ) => Self::unavailable(failure),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType => match failure.code() {
                Some("NOAUTH" | "WRONGPASS" | "BUSY" | "DENIED") => Self::unavailable(failure),
                Some("WRONGTYPE") => Self::wrong_type(failure),
                _ if failure.is_out_of_clients() => Self::unavailable(failure),
                _ => Self::refused(failure),
            },
            _ => Self::unavailable(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(error: RedisError) -> [String; 3] {
        let failure = RedisFailure::from(error);
        let debug = format!("{failure:?}");
        [failure.to_string(), debug, BackendError::from(failure).to_string()]
    }

    #[test]
    fn the_text_of_a_failure_quotes_neither_arguments_nor_replies() {
        let reply = redis::parse_redis_value(b"-ERR unknown command 'secret', with args beginning with: 'secret'\r\n");
        let reply = reply.and_then(redis::Value::extract_error).unwrap_err();
        let kind = ErrorKind::UnexpectedReturnType;
        let unexpected = RedisError::from((kind, "Not an integer", "response was 'secret'".to_owned()));
        for (error, text) in [(reply, "ERR"), (unexpected, "type error")] {
            for shown in texts(error) {
                assert!(shown.contains(text) && !shown.contains("secret"), "{shown}");
            }
        }
    }

    fn reply(text: &str) -> RedisFailure {
        let reply = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
        reply.and_then(redis::Value::extract_error).unwrap_err().into()
    }

    #[test]
    fn the_text_of_a_failure_names_the_command_and_the_cause() {
        // of Redis 6.2 to 8, and of Valkey
        for (text, expected) in [
            (
                "ERR unknown command `GETEX`, with args beginning with: `secret`, ",
                "GETEX: ERR (unknown command: Redis must be 6.2 or later)",
            ),
            (
                "ERR unknown command 'GETEX', with args beginning with: 'secret' ",
                "GETEX: ERR (unknown command: Redis must be 6.2 or later)",
            ),
            (
                "NOPERM this user has no permissions to run the 'getex' command or its subcommand",
                "GETEX: NOPERM (the user may not run the command)",
            ),
            (
                "NOPERM User app has no permissions to run the 'getex' command",
                "GETEX: NOPERM (the user may not run the command)",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "GETEX: NOPERM (the user may not use the key)",
            ),
            (
                "NOPERM User app has no permissions to access the 'secret' key",
                "GETEX: NOPERM (the user may not use the key)",
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script: 49ee, on @user_script:1.",
                "GETEX: ERR (the user may not run a command of the script)",
            ),
            (
                "ERR ACL failure in script: User app has no permissions to run the 'set' command script: 49ee, on @user_script:1.",
                "GETEX: ERR (the user may not run a command of the script)",
            ),
            (
                "ERR ACL failure in script: User app has no permissions to access the 'secret' key script: 49ee",
                "GETEX: ERR (the user may not use the key in the script)",
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                "GETEX: OOM (the server has no memory left)",
            ),
            ("ERR secret", "GETEX: ERR"),
            ("SECRETIVE secret", "GETEX: SECRETIVE"),
        ] {
            let failure = reply(text).of_sent_command(redis::cmd("GETEX").arg("secret"));
            assert_eq!(failure.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_failure_names_the_error_of_the_operating_system() {
        for shown in texts(io::Error::from(io::ErrorKind::ConnectionRefused).into()) {
            assert!(shown.contains("connection refused"), "{shown}");
        }
    }
}
