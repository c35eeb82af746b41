//! The pages under `/user`: accounts, and the devices that they are signed in on. What they put into the session, the
//! pages of other services read.

mod account;
mod accounts;
mod ago;
mod device;
pub mod hasher;
mod pages;
mod password;
mod people;

use actix_web::web::ServiceConfig;
use service_kit::{Resources, Service};

use crate::hasher::Hasher;
use crate::pages::Parts;
use crate::people::People;

pub use crate::pages::redis_session_set;

/// The service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "The pages under /user: the service that signs people in and writes the session",
    bind: "127.0.0.1:8081",
    prefixes: &[pages::PREFIX],
    standalone: false,
};

/// Returns the routes under `/user`.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    routes_with(resources, Hasher::default())
}

/// Returns the same routes with another password hasher.
pub fn routes_with(
    resources: &Resources,
    hasher: Hasher,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let people = People::new(accounts::open(&resources.database), hasher);
    let registry = resources.sessions.registry();
    let parts = Parts { people, registry };
    move |config| pages::add(config, &parts)
}
