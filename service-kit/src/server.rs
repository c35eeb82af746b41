//! Build, bind, run: three steps, so that who starts a server on port 0 learns its address before it runs.

use std::io;
use std::net::SocketAddr;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer, rt};
use shared_session::{SessionManager, SettingsError};

use crate::{Options, Service, assets, health, page, request};

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
        R: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let manager = SessionManager::new(&options.session)?;
        let prefixes = service.prefixes;
        let routes = service.routes.clone();
        let refused = |source| StartError::Bind {
            address: options.bind,
            source,
        };
        let server = HttpServer::new(move || {
            App::new()
                .wrap(from_fn(request::span))
                .configure(|config| health::routes(config, manager.clone()))
                .configure(|config| assets::routes(config, prefixes))
                .service(web::scope("").wrap(manager.middleware()).configure(routes.clone()))
                .default_service(web::to(move |uri| page::not_found(prefixes, uri)))
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
