//! Serves the pages under `/user`: accounts, and the devices that each user is signed in on. It writes the signed-in user
//! to the session, where other services read it.

mod account;
mod accounts;
mod authentication;
mod commands;
mod device;
pub mod hasher;
mod pages;
mod password;
mod relative_time;

use actix_web::web::ServiceConfig;
use service_kit::{Resources, Service};

use crate::authentication::Authenticator;
use crate::hasher::Hasher;
use crate::pages::State;

pub use crate::commands::{Command, execute};
pub use crate::pages::redis_session_set;

/// The constants of this service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Serves the pages under /user: registers users, signs them in, and writes the session",
    bind: "127.0.0.1:8081",
    prefixes: &[pages::PREFIX],
    standalone: false,
};

/// Returns the routes under `/user`.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    routes_with_hasher(resources, Hasher::default())
}

/// Returns the routes under `/user`, with another password hasher.
pub fn routes_with_hasher(
    resources: &Resources,
    hasher: Hasher,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let state = State {
        authenticator: Authenticator::new(accounts::open(&resources.database), hasher),
        registry: resources.sessions.registry(),
    };
    move |config| pages::configure(config, &state)
}
