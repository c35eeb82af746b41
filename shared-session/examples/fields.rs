//! A session as a resource: `GET /` lists its fields, `PUT /NAME/VALUE` sets one, `DELETE /NAME` removes it,
//! `POST /renew` gives the session a new id, `DELETE /` ends it. Start several on one Redis, each with a `BIND` of its
//! own, and talk to them in turn: `BIND=127.0.0.1:8081 SESSION_STORE=redis://localhost cargo run --example fields`.

use std::collections::BTreeMap;

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

async fn end(session: Session) -> impl Responder {
    session.purge();
    "ended\n"
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let settings = Settings::from_env().map_err(std::io::Error::other)?;
    let sessions = SessionManager::new(&settings).map_err(std::io::Error::other)?;
    let address = std::env::var("BIND").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    println!("http://{address}/");
    let app = move || {
        App::new()
            .wrap(sessions.middleware())
            .route("/", web::get().to(list))
            .route("/", web::delete().to(end))
            .route("/renew", web::post().to(renew))
            .route("/{name}/{value}", web::put().to(set))
            .route("/{name}", web::delete().to(remove))
    };
    HttpServer::new(app).workers(2).bind(address)?.run().await
}
