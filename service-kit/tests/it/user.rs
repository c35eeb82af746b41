//! The signed-in user, and the message that one page leaves for the next.

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::Failure;
use service_kit::site::{Layout, User, flash, lecture};
use service_kit::testing::reqwest::{Client, Response};
use service_kit::testing::{self, Running, browser};
use shared_session::{CurrentSession, Remember, Session};

fn start() -> Running {
    let routes = |config: &mut ServiceConfig| {
        config
            .route("/test/sign-in/{id}", web::get().to(sign_in))
            .route("/test/put/{name}/{value}", web::get().to(put))
            .route("/test/flash/{message}", web::get().to(leave_message))
            .route("/test/layout", web::get().to(layout));
    };
    testing::start(routes, &[])
}

async fn sign_in(session: Session, current: CurrentSession, id: Path<String>) -> Result<String, Failure> {
    let name = format!("<{id}>");
    let user = User {
        account: format!("account of {id}"),
        id: id.into_inner(),
        name,
    };
    user.sign_in(&session, &current, Remember::No).map(|()| String::new())
}

async fn put(session: Session, field: Path<(String, String)>) -> actix_web::Result<String> {
    session.insert(&field.0, &field.1)?;
    Ok(String::new())
}

async fn leave_message(session: Session, message: Path<String>) -> Result<String, Failure> {
    flash::put(&session, &message).map(|()| String::new())
}

async fn layout(session: Session) -> String {
    let layout = Layout::new(&session, "/test", "/test/layout");
    let user = layout.user.map(|user| (user.id, user.name));
    let note = session.get::<String>("note").ok().flatten();
    format!("{user:?} {:?} {note:?}", layout.message)
}

async fn get(server: &Running, browser: &Client, path: &str) -> Response {
    browser.get(server.url(path)).send().await.unwrap()
}

async fn layout_of(server: &Running, browser: &Client) -> String {
    get(server, browser, "/test/layout").await.text().await.unwrap()
}

#[actix_web::test]
async fn sign_in_renews_the_id_and_keeps_the_fields() {
    let (server, browser) = (start(), browser());
    let before = get(&server, &browser, "/test/put/note/mine").await;
    let after = get(&server, &browser, "/test/sign-in/anna").await;
    assert_ne!(before.headers()["set-cookie"], after.headers()["set-cookie"]);
    assert_eq!(
        layout_of(&server, &browser).await,
        r#"Some(("anna", "<anna>")) None Some("mine")"#
    );
}

#[actix_web::test]
async fn sign_in_removes_the_fields_of_another_user() {
    let (server, browser) = (start(), browser());
    for path in ["/test/sign-in/anna", "/test/put/note/annas", "/test/sign-in/berta"] {
        get(&server, &browser, path).await;
    }
    assert_eq!(
        layout_of(&server, &browser).await,
        r#"Some(("berta", "<berta>")) None None"#
    );
}

#[actix_web::test]
async fn user_without_an_account_is_not_signed_in() {
    let (server, browser) = (start(), browser());
    assert_eq!(layout_of(&server, &browser).await, "None None None");
    get(&server, &browser, &format!("/test/put/userid/{}", lecture::USER_ID)).await;
    assert_eq!(layout_of(&server, &browser).await, "None None None");
    get(&server, &browser, "/test/sign-in/anna").await;
    assert_eq!(
        layout_of(&server, &browser).await,
        r#"Some(("anna", "<anna>")) None None"#
    );
}

#[actix_web::test]
async fn proxy_learns_who_is_signed_in() {
    let (server, browser) = (start(), browser());
    get(&server, &browser, "/test/put/username/forged").await;
    let refused = get(&server, &browser, "/auth").await;
    assert_eq!(refused.status(), 401);
    let page = refused.text().await.unwrap();
    assert!(page.contains("Sign in to see this page."), "{page}");
    assert!(page.contains(r#"href="/user/login">Sign in</a>"#), "{page}");
    get(&server, &browser, "/test/sign-in/홍길동").await;
    // Envoy appends the path of the request, and asks with its method
    for (method, path) in [("GET", "/auth"), ("POST", "/auth"), ("POST", "/auth/php/whoami.php")] {
        let request = browser.request(method.parse().unwrap(), server.url(path));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{method} {path}");
        assert_eq!(response.headers()["x-session-name"], "<%ED%99%8D%EA%B8%B8%EB%8F%99>");
        assert!(
            response.headers()["x-session-user"]
                .to_str()
                .unwrap()
                .starts_with("account%20of%20")
        );
        assert_eq!(response.text().await.unwrap(), "");
    }
}

#[actix_web::test]
async fn claims_of_a_client_sign_nobody_in() {
    let (server, browser) = (start(), browser());
    for path in ["/auth", "/test/layout"] {
        let request = browser.get(server.url(path));
        let request = request
            .header("x-session-user", "admin")
            .header("X-Session-Name", "admin");
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("x-session-user"), "{path}");
        let body = response.text().await.unwrap();
        assert!(!body.contains("admin"), "{body}");
    }
}

#[actix_web::test]
async fn message_is_shown_once() {
    let (server, browser) = (start(), browser());
    get(&server, &browser, "/test/flash/saved").await;
    get(&server, &browser, "/test/flash/welcome").await;
    assert_eq!(layout_of(&server, &browser).await, r#"None Some("welcome") None"#);
    assert_eq!(layout_of(&server, &browser).await, "None None None");
}
