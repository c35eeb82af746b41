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
mod operator_log;
mod pages;
mod password;
mod reset;
mod texts;
mod token;

use actix_web::web::ServiceConfig;
use service_kit::{Resources, Service};

use crate::attempts::Attempts;
use crate::authentication::Authenticator;
use crate::deletion::Deletion;
use crate::hasher::Hasher;
use crate::pages::State;
use crate::reset::Resets;

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

/// Returns the routes under `/user`. Must be called in an actix runtime.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    routes_with_hasher(resources, Hasher::default())
}

/// Returns the routes under `/user`, with another password hasher. Must be called in an actix runtime.
pub fn routes_with_hasher(
    resources: &Resources,
    hasher: Hasher,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let (accounts, texts) = (accounts::open(&resources.database), texts::open(&resources.database));
    let attempts = Attempts::new(texts.clone());
    operator_log::start(&resources.database);
    let state = State {
        deletion: Deletion::new(accounts.clone(), attempts.clone(), resources),
        resets: Resets::new(accounts.clone(), texts, hasher.clone(), resources),
        authenticator: Authenticator::new(accounts, attempts, hasher, resources.jobs.clone()),
        jobs: resources.jobs.clone(),
        registry: resources.sessions.registry(),
    };
    move |config| pages::configure(config, &state)
}
