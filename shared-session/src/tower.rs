//! The door for axum and any other tower service: [`SessionLayer`], which fills [`Session`], the extractor of
//! [`CurrentSession`](crate::CurrentSession), [`sign_in`], and errors of handlers as responses.
//!
//! [`Session`] is that of the crate `tower-sessions` 0.14, so its handlers need another layer and nothing else. What differs from
//! tower-sessions' own layer:
//!
//! - `insert` and `remove` take effect field by field, so requests at the same time lose nothing. `cycle_id` renews the session,
//!   and `flush` ends it; what is inserted after `flush` begins another session. `delete` alone ends the session, too, and
//!   nothing else of the request is stored. A session that is renewed and left without fields ends.
//! - A change is stored whatever status the handler responds with, also 500, and it is stored after the handler: `save` and
//!   `load` do nothing by themselves. Without a response (the handler panicked, or its client left) nothing is stored.
//! - `insert` of the value that a field has leaves no trace in [`Session`]. So a `cycle_id` beside it renews the session and does
//!   not begin its lifetime anew, as a sign-in of the same user does in the other door. [`sign_in`] does.
//! - A value that [`serde_json::Value`] cannot hold, such as the number `1e400`, is seen as a text with its JSON.
//! - The settings decide how long a session lasts: `set_expiry` has no effect. A user who stays signed in has longer times: see
//!   [`Remember`](crate::Remember). `Session::id` is another id than that in the
//!   cookie. It stays the same as long as the session does.
//!
//! axum-login's builder takes the layer of tower-sessions only: put a layer of its `AuthManager` inside this one. It keeps its user
//! in a field of its own. For the [`Registry`](crate::Registry), insert the user's id after `login` into the field that
//! `SESSION_PRINCIPAL_FIELD` names.

mod extract;
mod forward_auth;
mod layer;
mod one_record;
mod sign_in;

pub use tower_sessions_core::{self, Session};

pub use self::layer::{SessionLayer, SessionService};
pub use self::sign_in::sign_in;
