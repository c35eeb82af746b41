//! A session as a resource: `GET /` lists its fields, `PUT /NAME/VALUE` sets one, `DELETE /NAME` removes it,
//! `POST /renew` renews the session, and `DELETE /` destroys it.
//!
//! Start several processes on one Redis, each with another `BIND`, and send requests to each of them:
//! `BIND=127.0.0.1:8081 SESSION_STORE=redis://localhost cargo run --example fields`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{App, HttpServer, Responder, web};
use shared_session::{Session, SessionManager, Settings};

async fn list(session: Session) -> impl Responder {
    let fields: BTreeMap<String, String> = session.entries().clone().into_iter().collect();
    web::Json(fields)
}

async fn set(session: Session, path: web::Path<(String, String)>) -> actix_web::Result<impl Responder> {
    let (name, value) = path.into_inner();
    session.insert(name, value)?;
    Ok("set\n")
}

async fn remove(session: Session, name: web::Path<String>) -> impl Responder {
    session.remove(&name);
    "removed\n"
}

async fn renew(session: Session) -> impl Responder {
    session.renew();
    "renewed\n"
}

async fn destroy(session: Session) -> impl Responder {
    session.purge();
    "destroyed\n"
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_env()?;
    let sessions = SessionManager::new(&settings)?;
    let address = std::env::var("BIND").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let app = move || {
        App::new()
            .wrap(sessions.middleware())
            .route("/", web::get().to(list))
            .route("/", web::delete().to(destroy))
            .route("/renew", web::post().to(renew))
            .route("/{name}/{value}", web::put().to(set))
            .route("/{name}", web::delete().to(remove))
    };
    let server = HttpServer::new(app).workers(2).bind(address)?;
    // longer than clients keep idle connections: a connection that the server closes while a client takes it again fails a request
    let server = server.keep_alive(Duration::from_secs(120));
    for address in server.addrs() {
        println!("http://{address}/");
    }
    server.run().await?;
    Ok(())
}
