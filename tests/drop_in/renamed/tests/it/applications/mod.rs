//! Those applications that use no library with a dependency on actix-session.

#[path = "../../../../tests/it/applications/counter.rs"]
mod counter;
#[path = "../../../../tests/it/applications/newsletter.rs"]
mod newsletter;
#[path = "../../../../tests/it/applications/type_patterns.rs"]
mod type_patterns;

use std::fmt;

use actix_web::Error;
use actix_web::error::ErrorInternalServerError;
use shared_session_testkit::servers::RedisServer;

use super::middleware::Sessions;

#[allow(clippy::unused_async)] // actix-session connects here
async fn start() -> (RedisServer, Sessions) {
    let redis = RedisServer::start();
    let sessions = Sessions::open(&redis.url());
    (redis, sessions)
}

fn e500(error: impl fmt::Debug + fmt::Display + 'static) -> Error {
    ErrorInternalServerError(error)
}
