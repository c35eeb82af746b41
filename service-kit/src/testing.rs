//! A server on a free port, and a browser to visit it with: for the tests of services.

use std::io;

pub use reqwest;

use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use actix_web::web::ServiceConfig;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::oneshot;

use crate::database::Database;
use crate::{Options, Resources, Routes, Server, Service};

/// A service under `/test` with these routes.
pub fn service(
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static,
) -> Service<impl Fn(&Resources) -> Routes> {
    Service {
        name: "test-service",
        version: "1.2.3",
        about: "A service to test with",
        bind: "127.0.0.1:0",
        prefixes: &["/test"],
        whole: false,
        routes: move |_: &Resources| Routes::new(routes.clone()),
    }
}

/// The database of a service with these arguments, for the tests of what is kept there.
///
/// # Panics
///
/// When they are wrong.
#[must_use]
pub fn database(arguments: &[&str]) -> Database {
    let service = service(|_: &mut _| {});
    let line = [&[service.name], arguments].concat();
    let options = Options::parse(&service, line).unwrap_or_else(|error| panic!("{error}"));
    Database::open(&options.session).unwrap_or_else(|error| panic!("{error}"))
}

/// A service that runs until this is [stopped](Self::stop) or the test ends.
pub struct Running {
    base: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts the service on a free port, with the arguments of a command line. Within `#[actix_web::test]`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start<R>(service: &Service<R>, arguments: &[&str]) -> Self
    where
        R: Fn(&Resources) -> Routes,
    {
        let line = [&[service.name, "--bind", "127.0.0.1:0"], arguments].concat();
        let options = Options::parse(service, line).unwrap_or_else(|error| panic!("{error}"));
        let server = Server::bind(service, &options).unwrap_or_else(|error| panic!("{error}"));
        let base = format!("http://{}", server.address());
        let (stop, stopped) = oneshot::channel();
        let task = rt::spawn(server.run(async {
            // Dropped without a word at the end of a test, it is as well.
            let _ = stopped.await;
        }));
        Self { base, stop, task }
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Stops the service gracefully and waits for its end.
    ///
    /// # Errors
    ///
    /// What [`Server::run`] ended with.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// A visitor with cookies of their own, who follows no redirect.
///
/// # Panics
///
/// When the client cannot be built.
#[must_use]
pub fn browser() -> Client {
    Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap_or_else(|error| panic!("{error}"))
}
