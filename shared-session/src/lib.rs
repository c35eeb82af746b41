#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix")]
pub mod actix;
pub mod backend;
mod clock;
pub mod codec;
mod error;
mod format;
pub mod http;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod internals;
mod manager;
mod metrics;
#[cfg(feature = "redis")]
mod open_redis;
mod session;
mod settings;
mod store;
mod timeout;
#[cfg(feature = "redis")]
mod topology;
#[cfg(feature = "tower")]
pub mod tower;

/// The crate `actix-session`, in the version whose [`Session`] this crate fills. Handlers that use another version compile,
/// and store nothing.
#[cfg(feature = "actix")]
pub use actix_session;
#[cfg(feature = "actix")]
pub use actix_session::{Session, SessionExt, SessionGetError, SessionInsertError, SessionStatus};
/// The `redis` crate, in the version that [`backend::redis::Connection`] uses.
#[cfg(feature = "redis")]
pub use redis;

#[cfg(feature = "actix")]
pub use crate::actix::{OldSessions, SessionMiddleware};
pub use crate::clock::Clock;
pub use crate::error::Error;
pub use crate::format::Format;
pub use crate::http::ExtendIdleTimeout;
pub use crate::manager::{Builder, SessionManager};
pub use crate::session::handle::{Handle, InvalidHandle};
pub use crate::session::remember::Remember;
pub use crate::settings::{CookieLifetime, SameSite, Secure, Settings, SettingsError};
pub use crate::store::current_session::CurrentSession;
pub use crate::store::registry::{Registry, SessionInfo, SessionPage};
