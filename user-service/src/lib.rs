//! Serves the pages under `/user`: accounts, and the devices that each user is signed in on. It writes the signed-in user
//! to the session, where other services read it.

mod account;
mod accounts;
mod attempts;
mod authentication;
mod commands;
mod deletion;
mod device;
pub mod hasher;
mod known_device;
mod pages;
mod password;
mod token;

use actix_web::web::ServiceConfig;
use service_kit::{Resources, Service, audit};

use crate::attempts::Attempts;
use crate::authentication::Authenticator;
use crate::deletion::Deletion;
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

/// The events of the audit log.
const EVENTS: [&str; 12] = [
    "account registered",
    "account deleted",
    "account unlocked",
    "signed in",
    "authentication failed",
    "authentication delayed",
    "authentication blocked",
    "signed out",
    "password changed",
    "session revoked",
    "other sessions revoked",
    "all sessions revoked",
];

/// Returns the routes under `/user`.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    routes_with_hasher(resources, Hasher::default())
}

/// Returns the routes under `/user`, with another password hasher.
pub fn routes_with_hasher(
    resources: &Resources,
    hasher: Hasher,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    audit::count_from_zero(&EVENTS);
    let accounts = accounts::open(&resources.database);
    let attempts = Attempts::new(&resources.database);
    let state = State {
        deletion: Deletion::new(accounts.clone(), attempts.clone(), resources),
        authenticator: Authenticator::new(accounts, attempts, resources, hasher),
        jobs: resources.jobs.clone(),
        registry: resources.sessions.registry(),
        cookie_secure: resources.cookie_secure,
    };
    move |config| pages::configure(config, &state)
}
