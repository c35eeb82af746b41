//! Small applications in the style of those that are written for actix-session. They know `actix_session::Session`, and
//! not which middleware provides it.

mod counter;
mod flash;
mod identity;
mod limits;
mod newsletter;
mod tracing;
mod type_patterns;

use std::fmt;

use actix_web::Error;
use actix_web::error::ErrorInternalServerError;
use shared_session_testkit::servers::RedisServer;

use super::middleware::Sessions;

/// Starts a Redis server, and opens its sessions. The server stops when it is dropped.
async fn start() -> (RedisServer, Sessions) {
    let redis = RedisServer::start();
    let sessions = Sessions::open(&redis.url()).await;
    (redis, sessions)
}

/// Returns an error of which the client sees the status only.
fn e500(error: impl fmt::Debug + fmt::Display + 'static) -> Error {
    ErrorInternalServerError(error)
}
