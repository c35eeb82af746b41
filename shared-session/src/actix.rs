//! The door for actix-web: [`SessionMiddleware`], which fills `actix_session::Session`, the extractor of
//! [`CurrentSession`](crate::CurrentSession), and errors of handlers as responses.

mod entries;
mod extract;
mod forward_auth;
mod middleware;

pub use self::middleware::SessionMiddleware;
