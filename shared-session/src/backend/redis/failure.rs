//! [`RedisFailure`]: an error of Redis whose text is safe to log.

use std::error::Error;
use std::{fmt, io};

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::backend::BackendError;

/// An error of Redis, or of the connection to it.
///
/// Its text is the code of Redis's error reply, such as `NOAUTH`, or the kind of the client's error. The rest is withheld:
/// Redis quotes arguments in some replies, the client quotes replies in some errors, and both may hold a record or a key.
#[derive(Clone)]
pub struct RedisFailure {
    error: RedisError,
    ran: Ran,
}

/// What a failure says about its command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// It did not run.
    No,
    /// The reply is missing.
    Unknown,
    /// It was applied, and the error is that too few replicas confirmed it.
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

    /// Returns the failure of a command that was applied, but that too few replicas confirmed in time.
    pub(super) fn unconfirmed() -> Self {
        Self::no_reply().of_confirmation()
    }

    /// Returns the failure of a command that was applied, if this is the failure to ask for its confirmation.
    pub(super) fn of_confirmation(self) -> Self {
        let ran = Ran::Unconfirmed;
        Self { ran, ..self }
    }

    /// Returns the failure to find a node that stores a key.
    pub(super) fn no_node() -> Self {
        RedisError::from((
            ErrorKind::Client,
            "no node of the cluster names the nodes that store the slots",
        ))
        .into()
    }

    /// Returns this failure as that of a command that was sent.
    pub(super) fn of_sent_command(mut self) -> Self {
        if self.ran == Ran::No && !self.is_reply() {
            self.ran = Ran::Unknown;
        }
        self
    }

    /// Returns whether the command may have run.
    pub(super) fn may_have_run(&self) -> bool {
        self.ran != Ran::No
    }

    /// Returns whether Redis replied, with an error.
    pub(super) fn is_reply(&self) -> bool {
        self.error.code().is_some()
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

    /// Returns whether the server was demoted to a replica. The client takes that for an error of the command alone.
    fn is_from_replica(&self) -> bool {
        self.error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
    }

    /// Returns whether the server does not know an option of the command.
    pub(super) fn is_syntax_error(&self) -> bool {
        self.error.code() == Some("ERR") && self.error.detail() == Some("syntax error")
    }

    pub(super) fn is_unknown_script(&self) -> bool {
        self.error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        let ran = Ran::No;
        Self { error, ran }
    }
}

impl fmt::Display for RedisFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ran == Ran::Unconfirmed {
            formatter.write_str("fewer replicas than SESSION_STORE_REPLICAS confirmed the change: ")?;
        }
        match (self.error.code(), self.error.kind()) {
            (Some(code), _) => formatter.write_str(code),
            (None, ErrorKind::Io | ErrorKind::InvalidClientConfig) => fmt::Display::fmt(&self.error, formatter),
            (None, _) => formatter.write_str(self.error.category()),
        }
    }
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
                Some("NOAUTH" | "WRONGPASS" | "BUSY") => Self::unavailable(failure),
                Some("WRONGTYPE") => Self::wrong_type(failure),
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

    #[test]
    fn the_text_of_a_failure_names_the_error_of_the_operating_system() {
        for shown in texts(io::Error::from(io::ErrorKind::ConnectionRefused).into()) {
            assert!(shown.contains("connection refused"), "{shown}");
        }
    }
}
