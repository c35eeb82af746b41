//! A counter of visits, in axum.
//!
//! Start it beside the example `counter`, both with `SESSION_STORE=redis://localhost` and each with a `PORT` of its own. Both
//! processes count the same visits.

use std::net::Ipv4Addr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use shared_session::tower::Session;
use shared_session::{SessionManager, Settings};
use tokio::net::TcpListener;

async fn count(session: Session) -> Result<String, StatusCode> {
    let error = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let visits = session.get::<u32>("visits").await.map_err(error)?.unwrap_or(0) + 1;
    session.insert("visits", visits).await.map_err(error)?;
    Ok(format!("visit {visits}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env()?;
    let sessions = SessionManager::new(&settings)?;
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://127.0.0.1:{port}/");
    let app = Router::new().route("/", get(count)).layer(sessions.layer());
    axum::serve(listener, app).await?;
    Ok(())
}
