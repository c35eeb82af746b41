//! The door for axum and any other tower service: [`SessionLayer`], which fills [`Session`], the extractor of
//! [`CurrentSession`](crate::CurrentSession), and errors of handlers as responses.
//!
//! [`Session`] is that of the crate `tower-sessions`, so its handlers, and extensions such as axum-login, need another layer and
//! nothing else. What differs from tower-sessions' own layer:
//!
//! - `insert` and `remove` take effect field by field, so requests at the same time lose nothing. `cycle_id` renews the session,
//!   and `flush` ends it.
//! - A change is stored whatever status the handler responds with, also 500, and it is stored after the handler: `save` and
//!   `load` do nothing by themselves.
//! - The settings decide how long a session lasts: `set_expiry` has no effect. `Session::id` is another id than that in the
//!   cookie. It stays the same as long as the session does.

mod extract;
mod layer;
mod one_record;

pub use tower_sessions_core::{self, Session};

pub use self::layer::{SessionLayer, SessionService};
