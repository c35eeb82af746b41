//! The door for actix-web: [`SessionMiddleware`], which fills `actix_session::Session`, the extractor of
//! [`CurrentSession`](crate::CurrentSession), and errors of handlers as responses. [`OldSessions`] continues the sessions of
//! `actix_session::SessionMiddleware`.

mod entries;
mod extract;
mod forward_auth;
mod middleware;
mod old_sessions;

pub use self::middleware::SessionMiddleware;
pub use self::old_sessions::OldSessions;
