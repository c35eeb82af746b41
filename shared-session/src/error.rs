//! [`Error`]: what can go wrong with the session of a request. `http/failure.rs` has its status and its message for the user.

use std::sync::Arc;

use crate::backend::BackendError;
use crate::codec::CodecError;
use crate::session::id::RandomSourceError;
use crate::session::storage_key::StorageKey;

/// Why the session of a request could not be loaded or stored.
///
/// The text is for logs. It holds no session id, no value and no password; it can hold the name of a field. The text for the
/// user is [`Error::user_message`], and [`Error::code`] is for an application that translates it.
///
/// The error is in the response (`HttpResponse::error`), also if the middleware failed to load or to store the session.
/// So middleware that reports errors sees it, and an application can show [an error page of its own](crate#errors).
///
/// # Examples
///
/// ```
/// use actix_web::HttpResponse;
/// use shared_session::Error;
///
/// /// Returns the text for an application's own error page.
/// fn text(response: &HttpResponse) -> Option<&'static str> {
///     response.error()?.as_error().map(Error::user_message)
/// }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store is unreachable or did not reply in time. A change may or may not have been stored.
    #[error(transparent)]
    Unavailable(BackendError),
    /// The circuit breaker is open, because the store was unavailable for earlier requests. Nothing was stored.
    #[error("session store is unavailable: the circuit breaker is open")]
    CircuitOpen,
    /// The store refused the operation: out of memory, read-only, not permitted.
    #[error(transparent)]
    Refused(BackendError),
    /// The time that a request may wait for the store was used up before this operation began. It stored nothing, but
    /// earlier operations of the request may have.
    #[error("the request's time for the session store was used up before the operation began")]
    OutOfTime,
    /// Other requests kept changing the session until the deadline. Nothing was stored.
    #[error("other requests kept changing the session until the deadline")]
    Contended,
    /// Some of a user's sessions could not be revoked. Others were.
    #[error("not all sessions of the user were revoked: {0}")]
    Unfinished(#[source] Arc<Error>),
    /// The session was destroyed, revoked or expired while the request was in flight. Nothing was stored.
    #[error("the session ended while the request was in flight")]
    Ended,
    /// Another request renewed the session first, and the change is not allowed: it sets the principal, or came 30 s or more
    /// after the renewal, or came with the superseded id. Nothing was stored.
    #[error("the session was renewed while the request was in flight")]
    Superseded,
    /// The change would make the record larger than `SESSION_MAX_SIZE`. Nothing was stored.
    #[error("the record would have {size} bytes, more than SESSION_MAX_SIZE ({max}){}", grown(.field.as_deref()))]
    TooLarge {
        /// The size of the record in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
        /// The name of the field that grew most, cut at 100 characters, if any field grew.
        field: Option<String>,
    },
    /// The value under the session's key is not a valid record. It was left unchanged.
    #[error("the record under {key} is unreadable: {source}")]
    Unreadable {
        /// The key in the store. If the key holds the session id, the id is replaced by its hash.
        key: String,
        /// Why the record is invalid.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The handler set a field that the format cannot express or that is reserved. Nothing was stored.
    #[error(transparent)]
    Unwritable(#[from] CodecError),
    /// The handler takes [`CurrentSession`](crate::CurrentSession), and no session middleware wraps it. Nothing was stored.
    #[error(
        "no session middleware wraps the handler: wrap the application with SessionManager::middleware or SessionManager::layer"
    )]
    NoMiddleware,
    /// The operating system returned no random bytes for a new id. Nothing was stored.
    #[error(transparent)]
    Random(#[from] RandomSourceError),
}

impl Error {
    /// Returns the error of a field whose value cannot be stored.
    pub(crate) fn unwritable(field: &str, reason: impl ToString) -> Self {
        Self::Unwritable(CodecError::Unwritable {
            field: field.to_owned(),
            reason: reason.to_string(),
        })
    }

    /// Creates the error of an invalid record, from its key and an error or a reason.
    pub(crate) fn unreadable(key: &StorageKey, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreadable {
            key: key.to_string(),
            source: source.into().into(),
        }
    }
}

/// Returns the part of a text that names the field that grew most. A name may hold any character, also a line break.
fn grown(field: Option<&str>) -> String {
    field.map_or_else(String::new, |field| format!("; the field {field:?} grew most"))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn text_names_each_cause_once_and_source_keeps_it() {
        let unavailable = Error::Unavailable(BackendError::unavailable("no reply in time"));
        assert_eq!(
            unavailable.to_string(),
            "session store is unavailable: no reply in time"
        );
        assert_eq!(unavailable.source().unwrap().to_string(), "no reply in time");

        let unfinished = Error::Unfinished(Arc::new(unavailable));
        let text = unfinished.to_string();
        assert_eq!(text.matches("no reply in time").count(), 1, "{text}");
        assert!(unfinished.source().unwrap().downcast_ref::<Arc<Error>>().is_some());
    }
}
