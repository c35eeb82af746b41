//! What any service here needs around its routes: command line, logs, health, start, graceful stop, and pages.
//!
//! A service is a [`Service`] and a `main` of one line:
//!
//! ```no_run
//! use actix_web::web;
//! use service_kit::{Routes, Service};
//!
//! const SERVICE: Service = Service {
//!     name: "clock-service",
//!     version: "1.0.0",
//!     about: "Tells the time.",
//!     bind: "127.0.0.1:8083",
//!     prefixes: &["/clock"],
//!     whole: false,
//!     routes: |_| {
//!         Routes::new(|config| {
//!             config.route("/clock/", web::get().to(async || "It is late."));
//!         })
//!     },
//! };
//!
//! fn main() -> std::process::ExitCode {
//!     service_kit::run(SERVICE)
//! }
//! ```

mod assets;
pub mod database;
mod error_page;
mod failure;
pub mod field;
pub mod flash;
mod forgery;
pub mod form;
mod frame;
pub mod headers;
mod health;
mod healthcheck;
mod logs;
mod options;
pub mod page;
mod request;
mod resources;
mod run;
mod server;
mod service;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;
pub mod visitor;

pub use failure::Failure;
pub use frame::Frame;
pub use logs::{LogFilter, LogFilterError, LogFormat};
pub use options::{Options, OptionsError};
pub use resources::{Resources, Routes};
pub use run::run;
pub use server::{Server, StartError};
pub use service::Service;
pub use stop::stop_signal;
