//! The session cookie's attributes, as settings.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::cookie::time::OffsetDateTime;
use actix_web::cookie::{Cookie, time};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use shared_session::{CookieLifetime, SameSite, Secure, Session, SessionManager, Settings};
use shared_session_testkit::TestClock;

async fn read(session: Session) -> String {
    session.get::<u32>("a").unwrap().unwrap_or_default().to_string()
}

async fn write(session: Session) -> &'static str {
    session.insert("a", 1).unwrap();
    "stored"
}

async fn renew(session: Session) -> &'static str {
    session.renew();
    "renewed"
}

async fn sign_in(session: Session) -> &'static str {
    session.insert("userid", "kky").unwrap();
    "signed in"
}

async fn log_out(session: Session) -> &'static str {
    session.purge();
    "signed out"
}

/// Returns a function that sends a request, with a session cookie if one is given, and returns the cookie of the response.
async fn browser(
    settings: &Settings,
    clock: &TestClock,
) -> impl AsyncFn(&str, Option<&Cookie<'static>>) -> Option<Cookie<'static>> + use<> {
    let builder = SessionManager::builder(settings).clock(clock.clock());
    let application = App::new()
        .wrap(builder.build().unwrap().middleware())
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write))
        .route("/renew", web::get().to(renew))
        .route("/sign-in", web::get().to(sign_in))
        .route("/log-out", web::get().to(log_out));
    let service = init_service(application).await;
    async move |path: &str, cookie: Option<&Cookie<'static>>| {
        let mut request = TestRequest::get().uri(path);
        if let Some(cookie) = cookie {
            request = request.insert_header((COOKIE, format!("{}={}", cookie.name(), cookie.value())));
        }
        set_cookie(&call_service(&service, request.to_request()).await)
    }
}

fn set_cookie(response: &ServiceResponse<impl MessageBody>) -> Option<Cookie<'static>> {
    let cookie = response.response().cookies().next().map(Cookie::into_owned);
    let expected = cookie.is_some().then_some("no-store");
    let header = response.headers().get(CACHE_CONTROL);
    assert_eq!(header.map(|value| value.to_str().unwrap()), expected);
    cookie
}

/// The attributes of a cookie without its value and its age.
fn attributes(cookie: &Cookie<'_>) -> String {
    let mut cookie = cookie.clone().into_owned();
    cookie.set_value("");
    cookie.set_max_age(None);
    cookie.set_expires(None);
    cookie.to_string()
}

#[actix_web::test]
async fn cookie_has_the_attributes_of_the_settings_and_its_removal_repeats_them() {
    let clock = TestClock::default();
    let of = Settings::default;
    let all = of()
        .with_cookie_name("__Secure-id")
        .and_then(|settings| settings.with_cookie_domain("example.com"))
        .and_then(|settings| settings.with_cookie_path("/app"))
        .unwrap()
        .with_cookie_same_site(SameSite::Strict);
    for (settings, expected) in [
        (of(), "sid=; HttpOnly; SameSite=Lax; Path=/"),
        (
            of().with_cookie_secure(Secure::Always),
            "__Host-sid=; HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            of().with_cookie_same_site(SameSite::None),
            "sid=; HttpOnly; SameSite=None; Secure; Path=/",
        ),
        (
            all.with_cookie_lifetime(CookieLifetime::Session),
            "__Secure-id=; HttpOnly; SameSite=Strict; Secure; Path=/app; Domain=example.com",
        ),
    ] {
        let send = browser(&settings, &clock).await;
        let issued = send("/write", None).await.unwrap();
        assert_eq!(attributes(&issued), expected);
        assert_eq!(issued.http_only(), Some(true));
        assert_eq!(issued.expires(), None);
        let removal = send("/log-out", Some(&issued)).await.unwrap();
        assert_eq!((removal.value(), attributes(&removal)), ("", expected.to_owned()));
        assert_eq!(removal.max_age(), Some(time::Duration::ZERO));
        assert_eq!(removal.expires_datetime(), Some(OffsetDateTime::UNIX_EPOCH));
    }
}

#[actix_web::test]
async fn cookie_lasts_as_long_as_the_browser_or_the_session() {
    let clock = TestClock::default();
    let send = browser(&Settings::default(), &clock).await;
    let issued = send("/write", None).await.unwrap();
    assert_eq!(issued.max_age(), None);
    assert_eq!(send("/sign-in", Some(&issued)).await, None);

    let settings = Settings::default().with_cookie_lifetime(CookieLifetime::Session);
    let send = browser(&settings, &clock).await;
    let day = time::Duration::DAY;
    for path in ["/read", "/renew"] {
        assert_eq!(send(path, None).await, None, "{path} without a session sets a cookie");
    }
    let issued = send("/write", None).await.unwrap();
    assert_eq!(issued.max_age(), Some(day));
    clock.advance(Duration::from_secs(600));
    assert_eq!(send("/read", Some(&issued)).await, None, "it could undo a renewal");
    let renewed = send("/renew", Some(&issued)).await.unwrap();
    assert_ne!(renewed.value(), issued.value());
    assert_eq!(renewed.max_age(), Some(day - time::Duration::minutes(10)));
    // the lifetime is restarted, so the cookie is sent again
    let signed_in = send("/sign-in", Some(&renewed)).await.unwrap();
    assert_eq!((signed_in.value(), signed_in.max_age()), (renewed.value(), Some(day)));
    clock.advance(Duration::from_secs(600));
    let renewed = send("/renew", Some(&signed_in)).await.unwrap();
    assert_eq!(renewed.max_age(), Some(day - time::Duration::minutes(10)));
}

#[actix_web::test]
async fn response_with_a_cookie_is_stored_in_no_shared_cache() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let handler = async |session: Session, value: web::Path<String>| {
        session.insert("a", 1).unwrap();
        HttpResponse::Ok().insert_header((CACHE_CONTROL, &**value)).finish()
    };
    let application = App::new()
        .wrap(sessions.middleware())
        .route("/{value}", web::get().to(handler));
    let service = init_service(application).await;
    for (value, expected) in [
        ("public", "no-store"),
        ("max-age=60", "no-store"),
        ("no-cache", "no-store"),
        ("public,max-age=60", "no-store"),
        ("max-age=60,%20Private", "max-age=60, Private"),
        ("no-store", "no-store"),
    ] {
        let request = TestRequest::get().uri(&format!("/{value}")).to_request();
        let response = call_service(&service, request).await;
        assert!(response.headers().contains_key(SET_COOKIE));
        let headers: Vec<_> = response.headers().get_all(CACHE_CONTROL).collect();
        assert_eq!(headers, [expected], "{value}");
    }
}

#[actix_web::test]
async fn scheme_of_the_proxy_decides_whether_the_cookie_is_secure() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let application = App::new()
        .wrap(sessions.middleware())
        .route("/write", web::get().to(write));
    let service = init_service(application).await;
    for (name, value, expected) in [
        ("x-forwarded-proto", "https", true),
        ("x-forwarded-proto", "HTTPS", true),
        ("x-forwarded-proto", "Https, http", true),
        ("x-forwarded-proto", "http, https", false),
        ("x-forwarded-proto", "", false),
        ("forwarded", "for=192.0.2.1;proto=HTTPS", true),
        ("forwarded", "for=192.0.2.1;proto=http", false),
        ("x-other", "https", false),
    ] {
        let request = TestRequest::get().uri("/write").insert_header((name, value));
        let cookie = set_cookie(&call_service(&service, request.to_request()).await).unwrap();
        assert_eq!(cookie.secure().unwrap_or(false), expected, "{name}: {value}");
    }
}
