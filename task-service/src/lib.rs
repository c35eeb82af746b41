//! Serves the pages under `/task`: the tasks of a signed-in user, and the drafts of a signed-out one. It reads the user
//! from the session, where another service writes it, and stores drafts there.

pub mod drafts;
mod list;
mod pages;
pub mod task;
pub mod tasks;

use actix_web::web::ServiceConfig;
use service_kit::{Resources, Service};

use crate::pages::State;

pub use crate::pages::redis_session_get;

/// What distinguishes this service from others.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Serves the pages under /task: tasks of signed-in users, and drafts of signed-out ones",
    bind: "127.0.0.1:8082",
    prefixes: &[pages::PREFIX],
    standalone: false,
};

/// Returns the routes under `/task`.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let tasks = tasks::open(&resources.database);
    let state = State { tasks };
    move |config| pages::configure(config, &state)
}
