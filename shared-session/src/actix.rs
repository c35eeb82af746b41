//! The door for actix-web: [`SessionMiddleware`], which fills `actix_session::Session`, the extractor of
//! [`CurrentSession`](crate::CurrentSession), [`sign_in`], and errors of handlers as responses. [`OldSessions`] continues the
//! sessions of `actix_session::SessionMiddleware`.

mod entries;
mod extract;
mod forward_auth;
mod middleware;
mod old_sessions;
mod sign_in;

pub use self::middleware::SessionMiddleware;
pub use self::old_sessions::OldSessions;
pub use self::sign_in::sign_in;
