#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
mod clock;
pub mod codec;
mod error;
mod format;
mod http;
mod manager;
mod metrics;
#[cfg(feature = "redis")]
mod open_redis;
#[cfg(not(feature = "testing"))]
mod session;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod session;
mod settings;
#[cfg(not(feature = "testing"))]
mod store;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timeout;
#[cfg(feature = "redis")]
mod topology;

/// The crate `actix-session`, in the version whose [`Session`] this crate fills. Handlers that use another version compile,
/// and store nothing.
pub use actix_session;
pub use actix_session::{Session, SessionExt, SessionGetError, SessionInsertError, SessionStatus};
/// The `redis` crate, in the version that [`backend::redis::Connection`] uses.
#[cfg(feature = "redis")]
pub use redis;

pub use crate::clock::Clock;
pub use crate::error::Error;
pub use crate::format::Format;
pub use crate::http::middleware::{ExtendIdleTimeout, SessionMiddleware};
pub use crate::manager::{Builder, SessionManager};
pub use crate::session::handle::{Handle, InvalidHandle};
pub use crate::settings::{CookieLifetime, SameSite, Secure, Settings, SettingsError};
pub use crate::store::current_session::CurrentSession;
pub use crate::store::registry::{Registry, SessionInfo, SessionPage};
