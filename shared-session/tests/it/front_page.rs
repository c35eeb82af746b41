//! The code of the repository's front page: it is the code of this file, and serves a page.

use std::fs;
use std::path::Path;

use actix_web::{App, HttpServer, web};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::{Router, routing::get};
use shared_session::{SessionManager, Settings};
use shared_session_testkit::servers::Port;
use tower::ServiceExt;

/// Returns the lines between `begin` and `end` in this file, without their indentation.
fn code(door: &str) -> String {
    let marks = [format!("// {door}: begin\n"), format!("        // {door}: end\n")];
    let (_, after) = include_str!("front_page.rs").split_once(&marks[0]).unwrap();
    let (lines, _) = after.split_once(&marks[1]).unwrap();
    lines.replace("\n        ", "\n").trim_start().to_owned()
}

fn assert_page_shows(door: &str) {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let code = code(door);
    assert!(page.contains(&format!("```rust\n{code}```\n")), "{code}");
}

#[actix_web::test]
async fn front_page_shows_a_program_with_actix_web() {
    assert_page_shows("actix");
    let program = || -> Result<_, Box<dyn std::error::Error>> {
        // actix: begin
        async fn hello(session: shared_session::Session) -> actix_web::Result<String> {
            Ok(format!("hello {}", session.get::<String>("name")?.unwrap_or_default()))
        }
        let sessions = SessionManager::new(&Settings::from_env()?)?;
        let server = HttpServer::new(move || App::new().wrap(sessions.middleware()).route("/", web::get().to(hello)));
        // actix: end
        Ok(server)
    };
    let port = Port::reserve();
    let server = program()
        .unwrap()
        .workers(1)
        .bind(("127.0.0.1", port.number()))
        .unwrap()
        .run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let page = reqwest::get(format!("http://127.0.0.1:{}/", port.number()))
        .await
        .unwrap();
    assert_eq!(page.text().await.unwrap(), "hello ");
    handle.stop(true).await;
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn front_page_shows_a_program_with_axum() {
    assert_page_shows("axum");
    let program = || -> Result<Router, Box<dyn std::error::Error>> {
        // axum: begin
        async fn hello(session: shared_session::tower::Session) -> String {
            let name: Option<String> = session.get("name").await.unwrap_or_default();
            format!("hello {}", name.unwrap_or_default())
        }
        let sessions = SessionManager::new(&Settings::from_env()?)?;
        let app = Router::new().route("/", get(hello)).layer(sessions.layer());
        // axum: end
        Ok(app)
    };
    let page = program().unwrap().oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(to_bytes(page.into_body(), 100).await.unwrap(), "hello ");
}
