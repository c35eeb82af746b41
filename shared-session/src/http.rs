//! The only room that knows actix-web: the middleware, the cookie, and what a request's error becomes.

pub mod cookie;
pub mod current_session;
pub mod middleware;
pub mod response;
pub mod session_state;
