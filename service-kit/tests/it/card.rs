//! The card of a program, and the notes that it writes.

use actix_web::web::{self, Path, ServiceConfig};
use service_kit::site::card;
use service_kit::site::program::TASK_SERVICE;
use service_kit::testing::{Browser, Response, Running, send, start};
use shared_session::Session;

const CARD: &str = "/task/session.svg";
const NOTE: &str = "/task/note";

async fn set_field(session: Session, name: Path<String>, text: String) -> actix_web::Result<String> {
    session.insert(name.into_inner(), text)?;
    Ok(String::new())
}

fn serve() -> Running {
    let routes = |config: &mut ServiceConfig| {
        config
            .service(web::scope("/task").configure(card::routes(&TASK_SERVICE)))
            .route("/test/field/{name}", web::post().to(set_field));
    };
    start(routes, &[])
}

async fn set(browser: &Browser, name: &str, text: &str) {
    let post = browser.form(&format!("/test/field/{name}"), &[]).body(text.to_owned());
    assert_eq!(send(post).await.status, 200);
}

/// Returns the names and the values that a card shows, as written in XML.
fn rows(card: &Response) -> Vec<(&str, &str)> {
    let lines = card.html.lines().filter(|line| line.contains("</text><text"));
    let texts = lines.map(|line| {
        let mut texts = line
            .split("</text>")
            .map(|text| text.rsplit_once('>').unwrap_or_default().1);
        (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
    });
    texts.collect()
}

#[actix_web::test]
async fn card_shows_the_session_and_is_not_cached() {
    let server = serve();
    let browser = Browser::new(&server);
    set(&browser, "username", "<Anna> & 홍길동").await;
    set(&browser, "long", &"x".repeat(50)).await;
    let card = browser.get(CARD).await;
    assert_eq!(card.status, 200);
    assert_eq!(card.header("content-type"), Some("image/svg+xml"));
    assert_eq!(card.header("cache-control"), Some("no-store"));
    assert!(
        card.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; style-src 'unsafe-inline'")
    );
    let long = format!("&#34;{}…", "x".repeat(14));
    let username = "&#34;&#60;Anna&#62; &#38; 홍길…";
    assert_eq!(rows(&card), [("long", &*long), ("username", username)]);
    for part in [
        "task-service",
        "Rust",
        "process ",
        "(prefers-color-scheme: dark)",
        "read at ",
    ] {
        card.shows(part);
    }
    card.hides("no session");
}

#[actix_web::test]
async fn card_without_a_session_begins_none() {
    let server = serve();
    let card = Browser::new(&server).get(CARD).await;
    card.shows("no session");
    assert_eq!((card.status, card.cookie(), rows(&card).len()), (200, None, 0));
}

#[actix_web::test]
async fn card_shows_notes_first_and_counts_what_it_leaves_out() {
    let server = serve();
    let browser = Browser::new(&server);
    for index in 10..25 {
        set(&browser, &format!("a{index}"), "x").await;
    }
    set(&browser, "user.color", "green").await;
    let card = browser.get(CARD).await;
    let rows = rows(&card);
    assert_eq!((rows.len(), rows[0].0, rows[10].0), (11, "user.color", "a19"));
    card.shows(">and 5 more<");
    card.shows("<text class=\"user\" ");
}

#[actix_web::test]
async fn note_is_written_under_the_name_of_its_program() {
    let server = serve();
    let browser = Browser::new(&server);
    set(&browser, "account", "anna").await;
    for (name, value) in [
        ("color", "green"),
        (" color ", " red "),
        ("account", "olga"),
        ("a-z_09", "<b>"),
    ] {
        let response = browser.post(NOTE, &[("name", name), ("value", value)]).await;
        assert_eq!(response.redirects_to(), Some("/user/"), "{name}");
    }
    let expected = [
        ("task.a-z_09", "&#34;&#60;b&#62;&#34;"),
        ("task.account", "&#34;olga&#34;"),
        ("task.color", "&#34;red&#34;"),
        ("account", "&#34;anna&#34;"),
    ];
    assert_eq!(rows(&browser.get(CARD).await), expected);
    browser.post(NOTE, &[("name", "color"), ("value", "")]).await;
    browser.get(CARD).await.hides("task.color");
}

#[actix_web::test]
async fn invalid_note_changes_nothing_and_says_what_is_valid() {
    let server = serve();
    let browser = Browser::new(&server);
    let (name, value) = ("a".repeat(13), "a".repeat(41));
    for (name, value, sentence) in [
        ("", "x", "A name has 1 to 12 characters"),
        (&*name, "x", "A name has"),
        ("Color", "x", "A name has"),
        ("a.b", "x", "A name has"),
        ("a|b", "x", "A name has"),
        ("색", "x", "A name has"),
        ("color", &*value, "A value has at most 40 characters"),
        ("color", "a\u{202e}b", "A value has"),
    ] {
        let response = browser.post(NOTE, &[("name", name), ("value", value)]).await;
        assert_eq!((response.status, response.cookie()), (422, None), "{name:?}");
        response.shows(sentence);
        response.shows("href=\"/user/\">Go to Account");
    }
    let forged = browser
        .request("POST", NOTE)
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=color&value=x");
    let forged = send(forged).await;
    assert_eq!((forged.status, forged.cookie()), (403, None));
    assert_eq!(browser.get(NOTE).await.redirects_to(), Some("/user/"));
    browser.get(CARD).await.shows("no session");
}

#[actix_web::test]
async fn program_keeps_a_limited_number_of_notes() {
    let server = serve();
    let browser = Browser::new(&server);
    set(&browser, "user.other", "x").await;
    let write = async |name: &str, value: &str| browser.post(NOTE, &[("name", name), ("value", value)]).await.status;
    for index in 0..8 {
        assert_eq!(write(&format!("n{index}"), "x").await, 303);
    }
    assert_eq!(write("n8", "x").await, 422);
    assert_eq!(write("n7", "y").await, 303);
    assert_eq!(write("n0", "").await, 303);
    assert_eq!(write("n8", "x").await, 303);
}
