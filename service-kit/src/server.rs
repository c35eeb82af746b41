//! Build, bind, run: three steps, so that who starts a server on port 0 learns its address before it runs.

use std::io;
use std::net::SocketAddr;

use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, rt};
use shared_session::SettingsError;

use crate::error_page::{self, Prefixes};
use crate::failure::Failure;
use crate::{Options, Resources, Routes, Service, assets, forgery, headers, health, request, visitor};

/// A service that has its address but does not answer yet: connections wait until it [runs](Self::run).
pub struct Server {
    address: SocketAddr,
    server: actix_web::dev::Server,
}

impl Server {
    /// Builds the service and binds it to its address.
    ///
    /// # Errors
    ///
    /// [`StartError::Settings`] before anything is bound; [`StartError::Bind`] when the address cannot be had.
    pub fn bind<R>(service: &Service<R>, options: &Options) -> Result<Self, StartError>
    where
        R: Fn(&Resources) -> Routes,
    {
        visitor::check(&options.session)?;
        let resources = Resources::open(&options.session)?;
        let (prefixes, whole) = (service.prefixes, service.whole);
        let routes = (service.routes)(&resources);
        let manager = resources.sessions;
        let refused = |source| StartError::Bind {
            address: options.bind,
            source,
        };
        let server = HttpServer::new(move || {
            let session = manager.middleware();
            // read from the last one up: a request passes them in that order
            App::new()
                .wrap(from_fn(forgery::refuse))
                .wrap(from_fn(request::span))
                .wrap(from_fn(error_page::dress))
                .wrap(Condition::new(whole, headers::security()))
                .app_data(Data::new(Prefixes(prefixes)))
                .configure(|config| health::routes(config, manager.clone()))
                .configure(|config| assets::routes(config, prefixes))
                .service(web::scope("").wrap(session).configure(|config| routes.add(config)))
                .default_service(web::to(async || Err::<&str, _>(Failure::NotFound)))
        })
        .disable_signals()
        .shutdown_timeout(options.shutdown_timeout.as_secs() + u64::from(options.shutdown_timeout.subsec_nanos() > 0))
        .bind(options.bind)
        .map_err(refused)?;
        let address = server.addrs().first().copied().unwrap_or(options.bind);
        Ok(Self {
            address,
            server: server.run(),
        })
    }

    /// Where it listens: with the port that was found where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done; then accepts nothing more, and ends when the requests in flight have finished or
    /// the time for it is over. Within an actix runtime.
    ///
    /// # Errors
    ///
    /// When the server breaks down.
    pub async fn run(self, stop: impl Future<Output = ()> + 'static) -> io::Result<()> {
        let handle = self.server.handle();
        rt::spawn(async move {
            stop.await;
            handle.stop(true).await;
        });
        self.server.await
    }
}

/// Why a service does not start: one line that names the option and its variable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting of the session is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address is taken, or not this machine's.
    #[error("--bind (BIND): cannot listen on {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}
