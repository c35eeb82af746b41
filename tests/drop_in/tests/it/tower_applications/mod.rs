//! Small applications in the style of the examples of tower-sessions and axum-login. They know `tower_sessions::Session`, and
//! not which layer provides it.

mod counter;
mod guest;
mod login;

use super::middleware::Sessions;
