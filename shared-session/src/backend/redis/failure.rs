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
pub struct RedisFailure(RedisError);

impl RedisFailure {
    /// Returns the code of Redis's error reply, if this is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code()
    }

    /// Returns the failure of a command without a reply.
    pub(super) fn no_reply() -> Self {
        Self(io::Error::from(io::ErrorKind::TimedOut).into())
    }

    /// Returns whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        self.0.is_unrecoverable_error() || self.0.is_timeout() || self.is_from_replica()
    }

    /// Returns whether the command may succeed on another connection.
    pub(super) fn may_be_repeated(&self) -> bool {
        self.0.is_connection_dropped() || self.is_from_replica()
    }

    /// Returns whether the server was demoted to a replica. The client takes that for an error of the command alone.
    fn is_from_replica(&self) -> bool {
        self.0.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
    }

    pub(super) fn is_unknown_script(&self) -> bool {
        self.0.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        Self(error)
    }
}

impl fmt::Display for RedisFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.kind()) {
            (Some(code), _) => formatter.write_str(code),
            (None, ErrorKind::Io | ErrorKind::InvalidClientConfig) => fmt::Display::fmt(&self.0, formatter),
            (None, _) => formatter.write_str(self.0.category()),
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
        match failure.0.kind() {
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
