//! What can go wrong with a session while a request is served, and what each of it means to HTTP.

use crate::codec::CodecError;
use crate::session::id::RandomSourceError;
use crate::session::storage_key::StorageKey;

/// Why a request's session could not be read or stored. The texts are for the log: they hold no id and no value, and
/// what the visitor is told is [`Error::sentence`].
///
/// The middleware's answer to a request that met one has it among its extensions (`HttpResponse::extensions`), and that of
/// a handler that passed one on as its `HttpResponse::error`, so that an application can put a page of its own in the place
/// of the plain one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be reached or did not answer in time. Whether a change was stored is then not known; it is
    /// never answered as done.
    #[error("the session store does not answer: {0}")]
    Unavailable(String),
    /// The store was not asked, because it did not answer the requests before this one.
    #[error("the session store has not been answering and was not asked")]
    CircuitOpen,
    /// The store answers, and refuses: out of memory, read-only, not permitted.
    #[error("the session store refuses: {0}")]
    Refused(String),
    /// Other requests kept changing the session until this one's time was up. Nothing was stored.
    #[error("other requests kept changing the session until the deadline")]
    Contended,
    /// Not all of a person's sessions could be ended; some of them were.
    #[error("some of a person's sessions could not be ended: {0}")]
    Unfinished(String),
    /// The session was destroyed, or expired, while the request was under way. Nothing was stored.
    #[error("the session ended while the request was under way")]
    Ended,
    /// The request was to change who is signed in, and another request renewed the session first. Nothing was stored:
    /// who signs in is not to follow into a session whose id somebody else was given.
    #[error("the session was renewed by another request, and who is signed in does not follow")]
    Superseded,
    /// What lies under the session's key is no session. It was left as it is.
    #[error("the record under {key} is not readable: {reason}")]
    Unreadable {
        /// The key, for whoever is to look at it.
        key: StorageKey,
        /// What is wrong with it.
        reason: String,
    },
    /// The handler set a field that the format cannot express, or that is the store's own. Nothing was stored.
    #[error(transparent)]
    Unwritable(#[from] CodecError),
    /// The operating system returned no random bytes for a new id.
    #[error(transparent)]
    Random(#[from] RandomSourceError),
}
