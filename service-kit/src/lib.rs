//! What any service here needs around its routes: command line, logs, health, start, graceful stop, and pages.
//!
//! A service is a [`Service`] and a `main` of one line:
//!
//! ```no_run
//! use actix_web::web;
//! use service_kit::Service;
//!
//! const SERVICE: Service = Service {
//!     name: "clock-service",
//!     version: "1.0.0",
//!     about: "Tells the time.",
//!     bind: "127.0.0.1:8083",
//!     prefixes: &["/clock"],
//!     whole: false,
//!     routes: |config| {
//!         config.route("/clock/", web::get().to(async || "It is late."));
//!     },
//! };
//!
//! fn main() -> std::process::ExitCode {
//!     service_kit::run(SERVICE)
//! }
//! ```

mod assets;
pub mod field;
mod health;
mod healthcheck;
mod logs;
mod options;
pub mod page;
mod request;
mod run;
mod server;
mod service;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;

pub use logs::{LogFilter, LogFilterError, LogFormat};
pub use options::{Options, OptionsError};
pub use run::run;
pub use server::{Server, StartError};
pub use service::Service;
pub use stop::stop_signal;
