//! A server on a free port and a browser for it, for the tests of services.

mod browser;

use std::future::pending;
use std::io;
use std::time::Duration;

pub use reqwest;

use actix_web::dev::ServerHandle;
use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use actix_web::web::ServiceConfig;
use reqwest::Client;
use reqwest::redirect::Policy;

pub use self::browser::{Browser, Response, send};
use crate::database::Database;
use crate::{Options, Resources, Service, bind};

/// A service under `/test`.
pub const SERVICE: Service = Service {
    name: "test-service",
    version: "1.2.3",
    about: "A service to test with",
    bind: "127.0.0.1:0",
    prefixes: &["/test"],
    standalone: false,
};

/// Starts [`SERVICE`] with these routes and the arguments of a command line. Must be called in an actix runtime.
///
/// # Panics
///
/// Panics if the service does not start.
pub fn start(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static, arguments: &[&str]) -> Running {
    Running::start(&SERVICE, |_| routes, arguments)
}

/// Returns the database of a service with these arguments.
///
/// # Panics
///
/// Panics if they are invalid.
#[must_use]
pub fn database(arguments: &[&str]) -> Database {
    let line = [&[SERVICE.name], arguments].concat();
    let options = Options::parse(&SERVICE, line).unwrap_or_else(|error| panic!("{error}"));
    Database::open(&options.session).unwrap_or_else(|error| panic!("{error}"))
}

/// A service that runs until it is [stopped](Self::stop) or the test ends.
pub struct Running {
    base: String,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts a service on a free port, with the arguments of a command line. Must be called in an actix runtime.
    ///
    /// # Panics
    ///
    /// Panics if the service does not start.
    pub fn start<R, C>(service: &Service, routes: R, arguments: &[&str]) -> Self
    where
        R: FnOnce(&Resources) -> C,
        C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let line = [&[service.name, "--bind", "127.0.0.1:0"], arguments].concat();
        let options = Options::parse(service, line).unwrap_or_else(|error| panic!("{error}"));
        // at the shutdown signal the server stops the runtime too, and with it the other servers of a test
        let server = bind(service, &options, routes, pending()).unwrap_or_else(|error| panic!("{error}"));
        Self {
            base: format!("http://{}", server.address()),
            handle: server.handle(),
            task: rt::spawn(server.run()),
        }
    }

    /// Returns the URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Stops the service gracefully, and returns after its end.
    ///
    /// # Errors
    ///
    /// Returns the error of [`Server::run`](crate::Server::run).
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Returns a browser with cookies of its own, which does not follow redirects.
///
/// # Panics
///
/// Panics if the client cannot be built.
#[must_use]
pub fn browser() -> Client {
    Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .no_proxy()
        // shorter than services keep an idle connection, so that they close none while a request is on its way
        .pool_idle_timeout(Duration::from_secs(2))
        .build()
        .unwrap_or_else(|error| panic!("{error}"))
}
