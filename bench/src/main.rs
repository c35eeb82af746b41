//! Measures shared-session against other sessions and against a page without a session. It starts all servers itself, and
//! prints a table. `docs/performance.md` explains what the figures mean.

mod cache;
mod candidate;
mod chart;
mod delay;
mod framework;
mod load;
mod measure;
mod news;
mod options;
mod packages;
#[path = "../../testkit/src/servers/port.rs"]
mod port;
mod process;
mod report;
mod results;
mod scenario;
mod server;
mod soak;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::measure::Distance;
use crate::options::RunOptions;
use crate::scenario::SCENARIOS;

/// Measures shared-session against actix-session's store and against a page without a session.
///
/// Starts a Redis and one server process for each candidate, loads them in turns with wrk, and prints a table. A run with all
/// scenarios also writes docs/benchmark.svg and the table in docs/performance.md.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    run: RunOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one of the servers.
    #[command(hide = true)]
    Serve {
        candidate: Candidate,
        store: String,
        workers: usize,
    },
    /// Delays what is sent to a port and from it.
    #[command(hide = true)]
    Delay { port: u16, micros: u64 },
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    match options.command {
        Some(Command::Serve {
            candidate,
            store,
            workers,
        }) => return actix_web::rt::System::new().block_on(server::serve(candidate, &store, workers)),
        Some(Command::Delay { port, micros }) => return delay::serve(port, Duration::from_micros(micros)),
        None => {}
    }
    let mut run = options.run;
    if run.quick {
        (run.rounds, run.seconds, run.sessions) = (1, 1, 1_000);
    }
    match run.soak {
        Some(requests) => soak::run(&run, requests),
        None if run.packages => packages::run(&run),
        None if run.cache => cache::run(&run),
        None => {
            let series = measure::run(&run, Framework::Actix, &SCENARIOS, Distance::default())?;
            report::publish(&run, &series)
        }
    }
}
