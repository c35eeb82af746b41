//! Joins the rooms: builds the application of a service, binds it to its address, and runs it until it has to stop.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::middleware::{Condition, ErrorHandlers, from_fn};
use actix_web::rt::System;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer, dev};
use clap::Subcommand;
use shared_session::SettingsError;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::process::{Command, Options, healthcheck, log_writer, logs, output, shutdown_signal};
use crate::server::{csrf, health, metrics, request_id, security_headers};
use crate::{Failure, Resources, Service, audit, site};

/// Runs a service with the options of the command line until SIGTERM or SIGINT. A `main` needs nothing else.
///
/// `routes` is called once, before anything is bound. The closure that it returns adds the routes, which have the
/// session, once for each worker thread.
///
/// An error is one line on the standard error stream, and a status other than 0.
pub fn run<R, C>(service: &Service, routes: R) -> ExitCode
where
    R: FnOnce(&Resources) -> C,
    C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    run_with_commands(service, routes, async |command: NoCommand, _| match command {})
}

/// The subcommands of a service that has none of its own.
#[derive(clap::Subcommand)]
enum NoCommand {}

/// Runs a service as [`run`] does. If the command line names a subcommand of `S`, runs `execute` with it instead, and with the
/// same settings. The error of `execute` is one line for the operator.
pub fn run_with_commands<S, R, C>(
    service: &Service,
    routes: R,
    execute: impl AsyncFnOnce(S, Resources) -> Result<(), String>,
) -> ExitCode
where
    S: Subcommand,
    R: FnOnce(&Resources) -> C,
    C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let parsed = Options::parse_with_commands(service, env::args_os());
    let (options, command) = parsed.unwrap_or_else(|error| error.exit());
    let result = match (&options.command, command) {
        (Some(Command::Healthcheck), _) => {
            healthcheck::check(options.bind, health::LIVENESS_PATH).map_err(|error| error.to_string())
        }
        (None, command) => with_logs(&options, || {
            System::new().block_on(async {
                match command {
                    Some(command) => run_command(&options, |resources| execute(command, resources)).await,
                    None => serve(service, &options, routes).await,
                }
            })
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs a part of the program that writes logs, and waits until they are written.
fn with_logs(options: &Options, part: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let logs = logs::init(options.log_format, &options.log_level);
    let _flush = logs.map_err(|error| format!("failed to open the log: {error}"))?;
    part()
}

/// Runs a subcommand of the service. At SIGTERM or SIGINT, ends what it has begun to change and nothing else.
async fn run_command<F: Future<Output = Result<(), String>>>(
    options: &Options,
    execute: impl FnOnce(Resources) -> F,
) -> Result<(), String> {
    let shutdown = listen_for_shutdown()?;
    let resources = open(options).map_err(|error| error.to_string())?;
    let result = tokio::select! {
        result = execute(resources.clone()) => result,
        () = shutdown => Err("interrupted".to_owned()),
    };
    finish(&resources, Instant::now() + options.shutdown_timeout).await;
    result
}

/// Waits until the changes that were begun are made, until the deadline at most.
async fn finish(resources: &Resources, deadline: Instant) {
    resources.jobs.finish(deadline).await;
    // also what a job has stored in sessions
    if timeout_at(deadline, resources.sessions.drain()).await.is_err() {
        warn!("stopped before all sessions were stored: the shutdown timeout is over");
    }
}

fn listen_for_shutdown() -> Result<impl Future<Output = ()> + Send + 'static, String> {
    shutdown_signal().map_err(|error| format!("failed to listen for signals: {error}"))
}

async fn serve<R, C>(service: &Service, options: &Options, routes: R) -> Result<(), String>
where
    R: FnOnce(&Resources) -> C,
    C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let shutdown = listen_for_shutdown()?;
    let server = bind(service, options, routes, shutdown).map_err(|error| error.to_string())?;
    log_start(service, options, server.address());
    server
        .run()
        .await
        .map_err(|error| format!("the server failed: {error}"))?;
    info!("stopped");
    Ok(())
}

fn log_start(service: &Service, options: &Options, address: SocketAddr) {
    info!(version = service.version, %address, "{} listens", service.name);
    if service.standalone {
        let base = healthcheck::reachable(address);
        let open: String = service
            .prefixes
            .iter()
            .map(|prefix| format!("Open http://{base}{prefix}/\n"))
            .collect();
        output::print(open);
    } else if options.session.is_memory() {
        warn!(
            "sessions are in the memory of this process, because SESSION_STORE is memory: other services do not see them"
        );
    }
}

fn open(options: &Options) -> Result<Resources, SettingsError> {
    site::check_settings(&options.session)?;
    Resources::open(&options.session)
}

/// A server that is bound to its address. Until it [runs](Self::run), connections wait.
pub struct Server {
    address: SocketAddr,
    server: dev::Server,
    resources: Resources,
    /// When the server was told to stop.
    stopped: Arc<OnceLock<Instant>>,
    shutdown_timeout: Duration,
}

/// Builds the application of a service and binds it to its address. When `shutdown` completes, the server stops, and then
/// the actix system that it runs in.
///
/// # Errors
///
/// Returns [`StartError::Settings`] if a setting is invalid, before anything is bound, and [`StartError::Bind`] if the
/// address is unavailable.
pub fn bind<R, C>(
    service: &Service,
    options: &Options,
    routes: R,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Server, StartError>
where
    R: FnOnce(&Resources) -> C,
    C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    metrics::record(service);
    audit::begin_to_count();
    let resources = open(options)?;
    let routes = routes(&resources);
    let sessions = resources.sessions.clone();
    let Service {
        prefixes, standalone, ..
    } = *service;
    let timeout = options.shutdown_timeout;
    let stopped = Arc::<OnceLock<_>>::default();
    let stop = stopped.clone();
    let shutdown = async move {
        shutdown.await;
        let _ = stop.set(Instant::now());
    };
    let server = HttpServer::new(move || {
        // a request passes these from the last to the first
        App::new()
            .wrap(from_fn(site::keep_sent_form))
            .wrap(from_fn(csrf::check))
            .wrap(ErrorHandlers::new().default_handler(site::error_page))
            .wrap(from_fn(request_id::trace))
            .wrap(Condition::new(standalone, security_headers::middleware()))
            .wrap(from_fn(metrics::measure))
            .configure(|config| health::configure(config, sessions.clone()))
            .configure(|config| metrics::configure(config, log_writer::lost_lines))
            .configure(|config| site::configure(config, prefixes, standalone))
            .service(site::forward_auth(&sessions))
            .service(web::scope("").wrap(sessions.middleware()).configure(routes.clone()))
            .default_service(web::to(async || Err::<&str, _>(Failure::NotFound)))
    })
    .shutdown_signal(shutdown)
    .shutdown_timeout(timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0))
    .bind(options.bind)
    .map_err(|source| StartError::Bind {
        address: options.bind,
        source,
    })?;
    Ok(Server {
        address: server.addrs().first().copied().unwrap_or(options.bind),
        server: server.run(),
        resources,
        stopped,
        shutdown_timeout: timeout,
    })
}

impl Server {
    /// Returns the address that the server listens on, with the port that was chosen in place of port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[cfg(feature = "testing")]
    pub(crate) fn handle(&self) -> dev::ServerHandle {
        self.server.handle()
    }

    /// Serves until it has to stop. It then accepts no more connections, waits for the requests in flight and for all jobs, and
    /// returns, at the latest when the shutdown timeout is over. Must be called in an actix runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the server fails.
    pub async fn run(self) -> io::Result<()> {
        let result = self.server.await;
        let stopped = self.stopped.get().copied().unwrap_or_else(Instant::now);
        // no worker is left that could begin another change
        finish(&self.resources, stopped + self.shutdown_timeout).await;
        result
    }
}

/// Why a service does not start. The text is one line that names the option and its variable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting of the sessions is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address is in use, or belongs to another machine.
    #[error("--bind (BIND): failed to listen on {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}
