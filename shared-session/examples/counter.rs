//! The smallest application: a counter of visits.
//!
//! Start it twice, with `SESSION_STORE=redis://localhost` and `PORT=8081` or `PORT=8082`. Both processes count the same
//! visits.

use actix_web::{App, HttpServer, web};
use shared_session::{Session, SessionManager, Settings};

async fn count(session: Session) -> actix_web::Result<String> {
    let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(format!("visit {visits}\n"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env()?;
    let sessions = SessionManager::new(&settings)?;
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080);
    println!("http://127.0.0.1:{port}/");
    HttpServer::new(move || App::new().wrap(sessions.middleware()).route("/", web::get().to(count)))
        .bind(("127.0.0.1", port))?
        .run()
        .await?;
    Ok(())
}
