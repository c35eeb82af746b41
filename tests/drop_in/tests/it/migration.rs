//! A fleet of two services on one Redis: one with the middleware of actix-session, and one with that of shared-session,
//! as `docs/migration.md` describes it. Users stay signed in while the one replaces the other.

use std::time::Duration;

use actix_http::Request;
use actix_session::config::CookieContentSecurity;
use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::body::BoxBody;
use actix_web::cookie::Key;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::init_service;
use actix_web::{App, Error, HttpResponse, Result, web};
use drop_in::{ActixCookie, ActixRecord};
use shared_session::{CurrentSession, Format, Registry, Secure, SessionManager, Settings};
use shared_session_testkit::servers::RedisServer;
use tokio::sync::Notify;

use crate::support::Browser;

const COOKIE: &str = "id";
/// As long as actix-session keeps a session.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

async fn sign_in(session: Session, user: web::Path<String>) -> Result<HttpResponse> {
    session.renew();
    session.insert("userid", user.into_inner())?;
    Ok(HttpResponse::Ok().finish())
}

async fn sign_out(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::Ok().finish()
}

async fn renew(session: Session) -> HttpResponse {
    session.renew();
    HttpResponse::Ok().finish()
}

async fn set(session: Session, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (field, value) = path.into_inner();
    session.insert(field, serde_json::from_str::<serde_json::Value>(&value)?)?;
    Ok(HttpResponse::Ok().finish())
}

async fn remove(session: Session, field: web::Path<String>) -> HttpResponse {
    session.remove(&field);
    HttpResponse::Ok().finish()
}

async fn get(session: Session, field: web::Path<String>) -> String {
    session.entries().get(&*field).cloned().unwrap_or_default()
}

/// Sets a field, and responds after [`Gate::open`].
async fn set_slowly(session: Session, field: web::Path<String>, gate: web::Data<Gate>) -> Result<HttpResponse> {
    session.insert(field.into_inner(), true)?;
    gate.entered.notify_one();
    gate.opened.notified().await;
    Ok(HttpResponse::Ok().finish())
}

/// Holds a request until other requests are done.
#[derive(Default)]
struct Gate {
    entered: Notify,
    opened: Notify,
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sign-in/{user}", web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out))
        .route("/renew", web::post().to(renew))
        .route("/set/{field}/{value}", web::post().to(set))
        .route("/remove/{field}", web::post().to(remove))
        .route("/set-slowly/{field}", web::post().to(set_slowly))
        .route("/get/{field}", web::get().to(get));
}

/// What both services use: the Redis server, the key of the cookies, and whether cookies are signed or encrypted.
struct Fleet {
    redis: RedisServer,
    key: Key,
    signed: bool,
    gate: web::Data<Gate>,
}

impl Fleet {
    fn start(signed: bool) -> Self {
        Self {
            redis: RedisServer::start(),
            key: Key::generate(),
            signed,
            gate: web::Data::default(),
        }
    }

    /// Returns the service with the middleware of actix-session.
    async fn old_side(&self) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
        let store = RedisSessionStore::new(self.redis.url()).await.unwrap();
        let security = match self.signed {
            true => CookieContentSecurity::Signed,
            false => CookieContentSecurity::Private,
        };
        let sessions = SessionMiddleware::builder(store, self.key.clone()).cookie_content_security(security);
        let app = App::new().app_data(self.gate.clone()).configure(routes);
        init_service(app.wrap(sessions.build())).await
    }

    /// Returns the service with the middleware of shared-session.
    async fn new_side(&self) -> impl Service<Request, Response = ServiceResponse, Error = Error> + use<> {
        let sessions = self.sessions();
        let cookie = match self.signed {
            true => ActixCookie::signed(COOKIE, self.key.clone()),
            false => ActixCookie::private(COOKIE, self.key.clone()),
        };
        let cookie = move |request: ServiceRequest, next: Next<BoxBody>| cookie.clone().translate(request, next);
        let app = App::new().app_data(self.gate.clone()).configure(routes);
        init_service(app.wrap(sessions.middleware()).wrap(from_fn(cookie))).await
    }

    fn sessions(&self) -> SessionManager {
        let settings = Settings::default()
            .with_store(&self.redis.url())
            .and_then(|settings| settings.with_key_prefix(""))
            .and_then(|settings| settings.with_cookie_name(COOKIE))
            .and_then(|settings| settings.with_ttl(TTL))
            .unwrap();
        // keys, ids and cookie as those of actix-session
        let settings = settings.with_format(Format::Php).with_cookie_secure(Secure::Always);
        SessionManager::builder(&settings).codec(ActixRecord).build().unwrap()
    }

    fn registry(&self) -> Registry {
        self.sessions().registry()
    }

    /// Returns the seconds until the only session expires.
    fn time_left(&self) -> i64 {
        let keys: Vec<String> = self.redis.run(&["KEYS", "*"]);
        let sessions: Vec<&String> = keys.iter().filter(|key| !key.contains(':')).collect();
        assert_eq!(sessions.len(), 1, "{keys:?}");
        self.redis.run(&["TTL", sessions[0]])
    }
}

/// Runs the test with encrypted cookies and with signed ones.
macro_rules! with_both_cookies {
    ($(async fn $name:ident($fleet:ident: &Fleet, $old:ident, $new:ident) $body:block)+) => {
        $(mod $name {
            use super::*;

            async fn run($fleet: &Fleet) {
                let ($old, $new) = (&$fleet.old_side().await, &$fleet.new_side().await);
                $body
            }

            #[actix_web::test]
            async fn encrypted() {
                run(&Fleet::start(false)).await;
            }

            #[actix_web::test]
            async fn signed() {
                run(&Fleet::start(true)).await;
            }
        })+
    };
}

with_both_cookies! {
    async fn user_signed_in_before_stays_signed_in(fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(old, "/sign-in/kky", &[]).await;
        let cookie = browser.cookie(COOKIE).unwrap().to_owned();
        for _ in 0..2 {
            assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
            assert_eq!(browser.get(old, "/get/userid").await.body, r#""kky""#);
        }
        assert_eq!(browser.cookie(COOKIE), Some(&*cookie));
        assert!(fleet.time_left() > 86_000);
    }

    async fn sign_in_is_seen_by_the_other_side(_fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(new, "/set/language/%22ko%22", &[]).await;
        assert_eq!(browser.get(old, "/get/language").await.body, r#""ko""#);
        browser.post(new, "/sign-in/kky", &[]).await;
        assert_eq!(browser.get(old, "/get/userid").await.body, r#""kky""#);
        browser.post(old, "/sign-in/other", &[]).await;
        assert_eq!(browser.get(new, "/get/userid").await.body, r#""other""#);
        assert_eq!(browser.get(new, "/get/language").await.body, r#""ko""#);
    }

    async fn changes_are_seen_by_the_other_side(_fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(old, "/sign-in/kky", &[]).await;
        for value in ["1", "-2.5", "null", "true", r#""a \"b\" \\ é 홍""#, r#"{"a":[1,{"b":""}]}"#] {
            let path: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            browser.post(old, &format!("/set/one/{path}"), &[]).await;
            browser.post(new, &format!("/set/other/{path}"), &[]).await;
            assert_eq!(browser.get(new, "/get/one").await.body, value);
            assert_eq!(browser.get(old, "/get/other").await.body, value);
            browser.post(new, "/remove/one", &[]).await;
            browser.post(old, "/remove/other", &[]).await;
            assert_eq!(browser.get(old, "/get/one").await.body, "");
            assert_eq!(browser.get(new, "/get/other").await.body, "");
        }
        assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
    }

    async fn renewal_is_seen_by_the_other_side(_fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(old, "/sign-in/kky", &[]).await;
        for by_old in [true, false, true] {
            let mut before = browser.clone();
            match by_old {
                true => browser.post(old, "/renew", &[]).await,
                false => browser.post(new, "/renew", &[]).await,
            };
            assert_ne!(browser.cookie(COOKIE), before.cookie(COOKIE));
            assert_eq!(browser.get(old, "/get/userid").await.body, r#""kky""#);
            assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
            assert_eq!(before.get(old, "/get/userid").await.body, "");
            assert_eq!(before.get(new, "/get/userid").await.body, "");
        }
    }

    async fn log_out_is_seen_by_the_other_side(_fleet: &Fleet, old, new) {
        for by_old in [true, false] {
            let mut browser = Browser::default();
            browser.post(old, "/sign-in/kky", &[]).await;
            browser.get(new, "/get/userid").await;
            let mut copy = browser.clone();
            match by_old {
                true => browser.post(old, "/sign-out", &[]).await,
                false => browser.post(new, "/sign-out", &[]).await,
            };
            assert_eq!(browser.cookie(COOKIE), None);
            assert_eq!(copy.get(old, "/get/userid").await.body, "");
            assert_eq!(copy.get(new, "/get/userid").await.body, "");
        }
    }

    async fn sessions_outlive_the_old_side(fleet: &Fleet, old, new) {
        let [mut before, mut during] = [(); 2].map(|()| Browser::default());
        before.post(old, "/sign-in/kky", &[]).await;
        during.post(new, "/sign-in/kky", &[]).await;
        during.post(old, "/set/field/1", &[]).await;
        // from here on, the old side is switched off
        for browser in [&mut before, &mut during] {
            assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
            browser.post(new, "/set/field/2", &[]).await;
            assert_eq!(browser.get(new, "/get/field").await.body, "2");
        }
        // both were changed by the new side, so both are listed, and can be revoked
        let page = fleet.registry().list("kky", &CurrentSession::default(), 0, 10).await.unwrap();
        assert_eq!(page.sessions.len(), 2);
        fleet.registry().revoke("kky", &page.sessions[0].handle).await.unwrap();
        let mut users = vec![before.get(new, "/get/userid").await.body, during.get(new, "/get/userid").await.body];
        users.sort();
        assert_eq!(users, ["", r#""kky""#]);
        during.post(new, "/sign-out", &[]).await;
        assert_eq!(during.cookie(COOKIE), None);
    }

    async fn record_of_a_later_actix_session_is_read_and_leaves_its_shape(fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(old, "/sign-in/kky", &[]).await;
        let key = &fleet.redis.run::<Vec<String>>(&["KEYS", "*"])[0];
        let () = fleet.redis.run(&["SET", key, r#"{"v":1,"state":{"userid":"kky","n":[1]}}"#, "KEEPTTL"]);
        assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
        assert_eq!(browser.get(new, "/get/n").await.body, "[1]");
        browser.post(new, "/set/field/1", &[]).await;
        // 0.11 cannot read the other shape
        for (field, value) in [("userid", r#""kky""#), ("n", "[1]"), ("field", "1")] {
            assert_eq!(browser.get(old, &format!("/get/{field}")).await.body, value);
        }
    }

    async fn cookie_that_the_key_did_not_seal_opens_nothing(fleet: &Fleet, old, new) {
        let mut browser = Browser::default();
        browser.post(old, "/sign-in/kky", &[]).await;
        let key: Vec<String> = fleet.redis.run(&["KEYS", "*"]);
        let cookie = browser.cookie(COOKIE).unwrap().to_owned();
        for forged in [key[0].clone(), format!("{cookie}x"), format!("x{cookie}"), String::new(), "%00".to_owned()] {
            browser.set_cookie(COOKIE, &forged);
            assert_eq!(browser.get(new, "/get/userid").await.body, "", "{forged}");
        }
        browser.set_cookie(COOKIE, &cookie);
        browser.set_cookie("other", "a=b");
        assert_eq!(browser.get(new, "/get/userid").await.body, r#""kky""#);
    }
}

/// These show what the guide says cannot hold while actix-session's side runs.
mod limits {
    use super::*;

    #[actix_web::test]
    async fn old_side_overwrites_concurrent_changes() {
        let fleet = Fleet::start(false);
        let (old, new) = (fleet.old_side().await, fleet.new_side().await);
        let mut browser = Browser::default();
        browser.post(&old, "/sign-in/kky", &[]).await;
        let mut tab = browser.clone();
        let slow = browser.post(&old, "/set-slowly/slow", &[]);
        let quick = async {
            fleet.gate.entered.notified().await;
            tab.post(&new, "/set/quick/1", &[]).await;
            assert_eq!(tab.get(&old, "/get/quick").await.body, "1");
            fleet.gate.opened.notify_one();
        };
        tokio::join!(slow, quick);
        assert_eq!(tab.get(&new, "/get/slow").await.body, "true");
        assert_eq!(tab.get(&new, "/get/quick").await.body, "");
    }

    #[actix_web::test]
    async fn old_side_undoes_a_log_out() {
        let fleet = Fleet::start(false);
        let (old, new) = (fleet.old_side().await, fleet.new_side().await);
        let mut browser = Browser::default();
        browser.post(&old, "/sign-in/kky", &[]).await;
        let mut tab = browser.clone();
        let slow = browser.post(&old, "/set-slowly/slow", &[]);
        let quick = async {
            fleet.gate.entered.notified().await;
            tab.post(&new, "/sign-out", &[]).await;
            fleet.gate.opened.notify_one();
        };
        tokio::join!(slow, quick);
        assert_eq!(browser.get(&new, "/get/userid").await.body, r#""kky""#);
    }

    #[actix_web::test]
    async fn change_in_flight_is_refused_after_a_renewal_by_the_old_side() {
        let fleet = Fleet::start(false);
        let (old, new) = (fleet.old_side().await, fleet.new_side().await);
        let mut browser = Browser::default();
        browser.post(&old, "/sign-in/kky", &[]).await;
        let mut tab = browser.clone();
        let slow = tab.post(&new, "/set-slowly/slow", &[]);
        let quick = async {
            fleet.gate.entered.notified().await;
            browser.post(&old, "/renew", &[]).await;
            fleet.gate.opened.notify_one();
        };
        let (page, ()) = tokio::join!(slow, quick);
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert_eq!(browser.get(&new, "/get/userid").await.body, r#""kky""#);
        assert_eq!(browser.get(&new, "/get/slow").await.body, "");
    }
}
