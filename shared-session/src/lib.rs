#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
mod clock;
pub mod codec;
mod error;
mod format;
mod http;
mod manager;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "metrics_disabled.rs"]
mod metrics;
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

pub use actix_session::Session;
/// The `redis` crate, in the version that [`backend::redis::Connection`] uses.
#[cfg(feature = "redis")]
pub use redis;

pub use crate::clock::Clock;
pub use crate::error::Error;
pub use crate::format::Format;
pub use crate::http::middleware::SessionMiddleware;
pub use crate::manager::{Builder, SessionManager};
pub use crate::session::handle::{Handle, InvalidHandle};
pub use crate::settings::{Secure, Settings, SettingsError};
pub use crate::store::current_session::CurrentSession;
pub use crate::store::registry::{Registry, SessionInfo, SessionPage};
