#![doc = include_str!("../README.md")]

mod answer;
pub mod backend;
mod breaker;
pub mod clock;
pub mod codec;
mod cookie;
mod current;
mod error;
pub mod fields;
mod format;
mod handle;
mod id;
mod manager;
mod middleware;
mod registry;
mod settings;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use actix_session::Session;

pub use crate::breaker::Budget;
pub use crate::current::CurrentSession;
pub use crate::error::Error;
pub use crate::format::Format;
pub use crate::handle::{Handle, InvalidHandle};
pub use crate::id::{IdRules, SessionId, StorageKey};
pub use crate::manager::{Builder, SessionManager};
pub use crate::middleware::{SessionMiddleware, SessionService};
pub use crate::registry::{Page, Registry, SessionInfo};
pub use crate::settings::{Secure, Settings, SettingsError};
