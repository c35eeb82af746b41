//! Who is signed in, and the message that one page leaves for the next.

#![allow(clippy::unwrap_used)]

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::Failure;
use service_kit::site::{Layout, User, flash, lecture};
use service_kit::testing::reqwest::{Client, Response};
use service_kit::testing::{self, Running, browser};
use shared_session::Session;

fn start() -> Running {
    let routes = |config: &mut ServiceConfig| {
        config
            .route("/test/as/{id}", web::get().to(sign_in))
            .route("/test/put/{name}/{value}", web::get().to(put))
            .route("/test/tell/{message}", web::get().to(tell))
            .route("/test/who", web::get().to(who));
    };
    testing::start(routes, &[])
}

async fn sign_in(session: Session, id: Path<String>) -> Result<String, Failure> {
    let name = format!("<{id}>");
    let user = User {
        id: id.into_inner(),
        name,
    };
    user.sign_in(&session).map(|()| String::new())
}

async fn put(session: Session, field: Path<(String, String)>) -> actix_web::Result<String> {
    session.insert(&field.0, &field.1)?;
    Ok(String::new())
}

async fn tell(session: Session, message: Path<String>) -> Result<String, Failure> {
    flash::put(&session, &message).map(|()| String::new())
}

async fn who(session: Session) -> String {
    let layout = Layout::new(&session, "/test", "/test/who");
    let user = layout.user.map(|user| (user.id, user.name));
    let note = session.get::<String>("note").ok().flatten();
    format!("{user:?} {:?} {note:?}", layout.message)
}

async fn visit(server: &Running, browser: &Client, path: &str) -> Response {
    browser.get(server.url(path)).send().await.unwrap()
}

async fn shown(server: &Running, browser: &Client) -> String {
    visit(server, browser, "/test/who").await.text().await.unwrap()
}

#[actix_web::test]
async fn a_sign_in_is_a_new_id_and_keeps_what_the_visitor_had() {
    let (server, browser) = (start(), browser());
    let before = visit(&server, &browser, "/test/put/note/mine").await;
    let after = visit(&server, &browser, "/test/as/anna").await;
    assert_ne!(before.headers()["set-cookie"], after.headers()["set-cookie"]);
    assert_eq!(
        shown(&server, &browser).await,
        r#"Some(("anna", "<anna>")) None Some("mine")"#
    );
}

#[actix_web::test]
async fn what_was_another_persons_is_gone() {
    let (server, browser) = (start(), browser());
    for path in ["/test/as/anna", "/test/put/note/annas", "/test/as/berta"] {
        visit(&server, &browser, path).await;
    }
    assert_eq!(
        shown(&server, &browser).await,
        r#"Some(("berta", "<berta>")) None None"#
    );
}

#[actix_web::test]
async fn the_lectures_visitor_is_nobody() {
    let (server, browser) = (start(), browser());
    assert_eq!(shown(&server, &browser).await, "None None None");
    visit(&server, &browser, &format!("/test/put/userid/{}", lecture::USER_ID)).await;
    assert_eq!(shown(&server, &browser).await, "None None None");
    visit(&server, &browser, "/test/as/anna").await;
    assert_eq!(shown(&server, &browser).await, r#"Some(("anna", "<anna>")) None None"#);
}

#[actix_web::test]
async fn a_message_is_shown_once() {
    let (server, browser) = (start(), browser());
    visit(&server, &browser, "/test/tell/saved").await;
    visit(&server, &browser, "/test/tell/welcome").await;
    assert_eq!(shown(&server, &browser).await, r#"None Some("welcome") None"#);
    assert_eq!(shown(&server, &browser).await, "None None None");
}
