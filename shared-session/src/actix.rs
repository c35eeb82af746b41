//! The door for actix-web: [`SessionMiddleware`], which fills `actix_session::Session`, the extractor of
//! [`CurrentSession`](crate::CurrentSession), and errors of handlers as responses. [`ForwardAuth`] is the door for programs
//! without a library: a proxy asks it.

mod entries;
mod extract;
mod forward_auth;
mod middleware;

pub use self::forward_auth::ForwardAuth;
pub use self::middleware::SessionMiddleware;
