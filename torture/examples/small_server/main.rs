//! A small session server that keeps every promise, for the tests of the fault suite.

mod connection;
mod cookies;
mod routes;
mod scripts;
mod store;

use std::sync::Arc;

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use clap::Parser;
use tokio::net::TcpListener;

use crate::{connection::Redis, store::Store};

/// Answers the routes of the fault suite, with sessions in Redis.
#[derive(Parser)]
struct Arguments {
    /// The port to listen on, on 127.0.0.1.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Where sessions are kept.
    #[arg(long, env = "REDIS_URL", default_value = "redis://127.0.0.1:6379")]
    redis_url: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let store = Arc::new(Store::new(Redis::new(&arguments.redis_url)));
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    axum::serve(listener, routes::router(store).layer(from_fn(run_to_the_end))).await?;
    Ok(())
}

/// Runs a request in a task of its own, which ends also if the client is gone.
async fn run_to_the_end(request: Request, next: Next) -> Response {
    let task = tokio::spawn(next.run(request));
    task.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
