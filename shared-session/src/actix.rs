//! The door for actix-web: the middleware, which fills `actix_session::Session`, the extractor of
//! [`CurrentSession`](crate::CurrentSession), and errors of handlers as responses.

mod entries;
mod extract;
mod middleware;

pub use self::middleware::SessionMiddleware;
