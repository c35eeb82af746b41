//! A small session server that keeps every promise, for the tests of the fault suite. It can be told to break one.

mod around;
mod broken;
mod changes;
mod connection;
mod cookies;
mod fault;
mod renewal;
mod routes;
mod scripts;
mod store;

use std::{process::exit, sync::Arc};

use axum::middleware::from_fn_with_state;
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;

use crate::{connection::Redis, fault::Fault, store::Store};

/// Answers the routes of the fault suite, with sessions in Redis.
#[derive(Parser)]
struct Arguments {
    /// The promise to break.
    fault: Option<String>,
    /// Lists the faults.
    #[arg(long)]
    faults: bool,
    /// The port to listen on, on 127.0.0.1.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Where sessions are kept.
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    redis_url: String,
}

// one thread, so that requests reach Redis in the order in which they came
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.faults {
        Fault::print_all();
        return Ok(());
    }
    let fault = arguments.fault.map(|name| {
        Fault::from_str(&name, false).unwrap_or_else(|_| {
            eprintln!("unknown fault {name:?}; small_server --faults lists them");
            exit(2)
        })
    });
    let store = Arc::new(Store {
        redis: Redis::new(&arguments.redis_url, fault),
        fault,
    });
    if fault == Some(Fault::Pause) {
        tokio::spawn(around::watch_for_pauses());
    }
    let router = routes::router(store.clone()).layer(from_fn_with_state(store, around::answer));
    axum::serve(TcpListener::bind(("127.0.0.1", arguments.port)).await?, router).await?;
    Ok(())
}
