//! What the services of this site share: they start in the same way, serve HTTP in the same way, and look the same.
//!
//! Three rooms, joined by [`run`], [`run_with_commands`] and [`bind`] alone:
//!
//! | module | contents | must not know |
//! | --- | --- | --- |
//! | [`process`] | options, logs, graceful shutdown, the `healthcheck` subcommand | pages and addresses |
//! | [`server`] | health and metrics routes, security headers, request ids, CSRF check | pages and addresses |
//! | [`site`] | layout, navigation, signed-in user, forms, error pages | sockets and signals |
//!
//! Every room may use [`Service`], [`Resources`], [`Jobs`], [`Failure`], [`database`], [`user_data`] and [`audit`].
//!
//! A service is a [`Service`], a function that returns its routes, and a `main` of one line:
//!
//! ```no_run
//! use actix_web::web::{self, ServiceConfig};
//! use service_kit::{Resources, Service};
//!
//! const SERVICE: Service = Service {
//!     name: "clock-service",
//!     version: "1.0.0",
//!     about: "Tells the time",
//!     bind: "127.0.0.1:8083",
//!     prefixes: &["/clock"],
//!     standalone: false,
//! };
//!
//! fn routes(_: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
//!     |config| {
//!         config.route("/clock/", web::get().to(async || "It is late."));
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     service_kit::run(&SERVICE, routes)
//! }
//! ```

// the templates name this crate as those of services do
extern crate self as service_kit;

pub mod audit;
pub mod database;
mod failure;
mod jobs;
pub mod process;
pub mod server;
mod service;
pub mod site;
mod start;
#[cfg(feature = "testing")]
pub mod testing;
pub mod user_data;

pub use failure::Failure;
pub use jobs::Jobs;
pub use process::Options;
pub use service::{Resources, Service};
pub use start::{Server, StartError, bind, run, run_with_commands};
