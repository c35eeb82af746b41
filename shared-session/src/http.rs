//! The only room that knows actix-web: the middleware, the session cookie, the extractor, and error responses.

mod after_handler;
mod before_handler;
pub mod cookie;
pub mod current_session;
pub mod middleware;
pub mod misuse;
pub mod response;
pub mod session_state;
