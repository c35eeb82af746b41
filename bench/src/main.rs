//! Measures shared-session against actix-session's own store and against a page without a session. It starts all servers
//! itself, and prints a table. `docs/performance.md` explains what the figures mean.

mod chart;
mod load;
mod measure;
#[path = "../../testkit/src/servers/port.rs"]
mod port;
mod process;
mod report;
mod scenario;
mod server;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::server::Candidate;

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

/// The options of a measurement.
#[derive(clap::Args)]
struct RunOptions {
    /// How often each scenario is measured. The order of the candidates changes from round to round
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long one measurement takes
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// How many connections send requests at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// How many sessions the scenarios with many sessions use
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    sessions: u32,

    /// How many worker threads each server has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,

    /// The program that stores the sessions: `redis-server`, or `valkey-server`
    #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
    redis_server: String,

    /// Measure only the scenarios whose name contains this text, and write no document
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,

    /// Let the operating system choose the cores. By default, servers run on core 0, and Redis and wrk on core 1
    #[arg(long)]
    no_pin: bool,

    /// Check that everything works: one round of one second, 1,000 sessions instead of 100,000, and no document
    #[arg(long)]
    quick: bool,

    /// Instead of measuring, send this many requests to shared-session, and report its memory
    #[arg(long, value_name = "REQUESTS")]
    soak: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one of the servers.
    #[command(hide = true)]
    Serve {
        candidate: Candidate,
        redis: String,
        workers: usize,
    },
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
    if let Some(Command::Serve {
        candidate,
        redis,
        workers,
    }) = options.command
    {
        return actix_web::rt::System::new().block_on(server::serve(candidate, &redis, workers));
    }
    let mut run = options.run;
    if run.quick {
        (run.rounds, run.seconds, run.sessions) = (1, 1, 1_000);
    }
    match run.soak {
        Some(requests) => soak::run(&run, requests),
        None => report::publish(&run, &measure::run(&run)?),
    }
}
