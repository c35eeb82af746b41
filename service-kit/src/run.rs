//! The whole life of a process, in order: nothing starts before everything was checked.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use actix_web::rt::System;
use tracing::{info, warn};

use crate::healthcheck::{healthcheck, reachable};
use crate::options::Command;
use crate::{Options, Resources, Routes, Server, Service, logs, stop_signal};

/// Runs the service as its command line says, until it is asked to stop. All that a `main` has to do.
///
/// What is wrong is one line on the standard error stream, and a status that is not 0.
pub fn run<R>(service: Service<R>) -> ExitCode
where
    R: Fn(&Resources) -> Routes,
{
    let options = match Options::parse(&service, env::args_os()) {
        Ok(options) => options,
        Err(error) => return error.print(),
    };
    let result = match options.command {
        Some(Command::Healthcheck) => healthcheck(options.bind).map_err(|error| error.to_string()),
        None => System::new().block_on(serve(&service, &options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<R>(service: &Service<R>, options: &Options) -> Result<(), String>
where
    R: Fn(&Resources) -> Routes,
{
    logs::init(options.log_format, &options.log_level);
    let stop = stop_signal().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let server = Server::bind(service, options).map_err(|error| error.to_string())?;
    announce(service, options, server.address());
    server
        .run(stop)
        .await
        .map_err(|error| format!("the server broke down: {error}"))?;
    info!("stopped");
    Ok(())
}

fn announce<R>(service: &Service<R>, options: &Options, address: SocketAddr) {
    let version = service.version;
    info!(version, %address, "{} listens", service.name);
    if service.whole {
        let base = reachable(address);
        let open: String = service
            .prefixes
            .iter()
            .map(|prefix| format!("Open http://{base}{prefix}/\n"))
            .collect();
        // Nobody may be there to read it.
        let _ = io::stdout().write_all(open.as_bytes());
    } else if options.session.is_memory() {
        warn!("the sessions are this process's own, since SESSION_STORE is memory: no other service sees them");
    }
}
