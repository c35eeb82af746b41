//! A service whose users have sessions of actix-session, after its move to shared-session, as `docs/migration.md` describes it.

use std::collections::HashMap;
use std::sync::Arc;

use actix_http::Request;
use actix_service::boxed::BoxService;
use actix_session::config::CookieContentSecurity;
use actix_session::storage::{
    CookieSessionStore, LoadError, RedisSessionStore, SaveError, SessionKey, SessionStore, UpdateError,
};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::init_service;
use actix_web::{App, Error, HttpResponse, Result, web};
use futures_util::future::join_all;
use shared_session::{CurrentSession, Format, OldSessions, SessionManager, Settings};
use shared_session_testkit::servers::RedisServer;
use tokio::sync::Notify;

use crate::support::Browser;

const OLD: &str = "id";
const NEW: &str = "sid";

async fn sign_in(session: Session, user: web::Path<String>) -> Result<HttpResponse> {
    session.renew();
    session.insert("userid", user.into_inner())?;
    Ok(HttpResponse::Ok().finish())
}

async fn sign_out(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::Ok().finish()
}

async fn set(session: Session, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (field, value) = path.into_inner();
    session.insert(field, serde_json::from_str::<serde_json::Value>(&value)?)?;
    Ok(HttpResponse::Ok().finish())
}

async fn get(session: Session, field: web::Path<String>) -> String {
    session.entries().get(&*field).cloned().unwrap_or_default()
}

async fn fail() -> Result<HttpResponse> {
    Err(actix_web::error::ErrorBadRequest("no"))
}

/// Sets a field, and responds after [`Gate::opened`].
async fn set_slowly(session: Session, field: web::Path<String>, gate: web::Data<Gate>) -> Result<HttpResponse> {
    session.insert(field.into_inner(), true)?;
    gate.wait().await;
    Ok(HttpResponse::Ok().finish())
}

/// Changes nothing, and responds after [`Gate::opened`].
async fn get_slowly(gate: web::Data<Gate>) -> HttpResponse {
    gate.wait().await;
    HttpResponse::Ok().finish()
}

/// Holds a request until other requests are done.
#[derive(Default)]
struct Gate {
    entered: Notify,
    opened: Notify,
}

impl Gate {
    async fn wait(&self) {
        self.entered.notify_one();
        self.opened.notified().await;
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sign-in/{user}", web::post().to(sign_in))
        .route("/sign-out", web::post().to(sign_out))
        .route("/set/{field}/{value}", web::post().to(set))
        .route("/set-slowly/{field}", web::post().to(set_slowly))
        .route("/get-slowly", web::get().to(get_slowly))
        .route("/fail", web::get().to(fail))
        .route("/get/{field}", web::get().to(get));
}

/// The service before and after its move, on one Redis server.
struct Site {
    redis: RedisServer,
    key: Key,
    security: CookieContentSecurity,
    settings: fn(Settings) -> Settings,
    gate: web::Data<Gate>,
}

/// Lets requests wait on a busy machine.
fn patient(settings: Settings) -> Settings {
    settings.with_store_timeout(std::time::Duration::from_secs(30)).unwrap()
}

impl Site {
    fn start() -> Self {
        Self::with_cookies(CookieContentSecurity::Private)
    }

    fn with_cookies(security: CookieContentSecurity) -> Self {
        Self {
            redis: RedisServer::start(),
            key: Key::generate(),
            security,
            settings: patient,
            gate: web::Data::default(),
        }
    }

    async fn store(&self) -> RedisSessionStore {
        RedisSessionStore::new(self.redis.url()).await.unwrap()
    }

    /// Returns the service before its move.
    async fn before(&self, store: impl SessionStore + 'static) -> AnyService {
        let sessions = SessionMiddleware::builder(store, self.key.clone())
            .cookie_content_security(self.security)
            .build();
        boxed(init_service(App::new().configure(routes).wrap(sessions)).await)
    }

    /// Returns the service after its move.
    async fn after(&self, store: impl SessionStore + Send + Sync + 'static) -> AnyService {
        self.after_with(OldSessions::new(store, self.key.clone()).cookie_content_security(self.security))
            .await
    }

    /// Returns both, with the sessions in Redis.
    async fn before_and_after(&self) -> (AnyService, AnyService) {
        let before = self.before(self.store().await).await;
        (before, self.after(self.store().await).await)
    }

    async fn after_with(&self, old: OldSessions) -> AnyService {
        let sessions = self.sessions().middleware().adopt(old);
        let app = App::new().app_data(self.gate.clone()).configure(routes);
        boxed(init_service(app.wrap(sessions)).await)
    }

    fn sessions(&self) -> SessionManager {
        let settings = Settings::default().with_store(&self.redis.url()).unwrap();
        SessionManager::new(&(self.settings)(settings)).unwrap()
    }

    /// Returns how many sessions of a user are listed.
    async fn listed(&self, user: &str) -> usize {
        let registry = self.sessions().registry();
        let page = registry.list(user, &CurrentSession::default(), 0, 100).await.unwrap();
        page.sessions.len()
    }

    /// Returns the keys of actix-session's records.
    fn old_keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.redis.run(&["KEYS", "*"]);
        keys.into_iter().filter(|key| !key.contains(':')).collect()
    }
}

type AnyService = BoxService<Request, ServiceResponse, Error>;

fn boxed(service: impl Service<Request, Response = ServiceResponse, Error = Error> + 'static) -> AnyService {
    actix_service::boxed::service(service)
}

/// Returns a browser that is signed in as `kky`.
async fn signed_in(before: &AnyService) -> Browser {
    let mut browser = Browser::default();
    browser.post(before, "/sign-in/kky", &[]).await;
    browser
}

fn assert_moved(browser: &Browser) {
    assert_eq!(browser.cookie(OLD), None);
    assert!(browser.cookie(NEW).is_some());
}

/// Runs the test with encrypted cookies and with signed ones, and with encrypted ones of `CookieSessionStore`.
macro_rules! for_each_store {
    ($(async fn $name:ident($site:ident: &Site, $before:ident, $after:ident) $body:block)+) => {
        $(mod $name {
            use super::*;

            async fn run($site: &Site, $before: &AnyService, $after: &AnyService) $body

            #[actix_web::test]
            async fn in_redis_with_encrypted_cookies() {
                let site = &Site::start();
                let (before, after) = site.before_and_after().await;
                run(site, &before, &after).await;
            }

            #[actix_web::test]
            async fn in_redis_with_signed_cookies() {
                let site = &Site::with_cookies(CookieContentSecurity::Signed);
                let (before, after) = site.before_and_after().await;
                run(site, &before, &after).await;
            }

            #[actix_web::test]
            async fn in_cookies() {
                let site = &Site::start();
                let [before, after] = [(); 2].map(|()| CookieSessionStore::default());
                run(site, &site.before(before).await, &site.after(after).await).await;
            }
        })+
    };
}

for_each_store! {
    async fn user_stays_signed_in(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let values = ["1", "-2.5", "null", r#""a \"b\" \\ é 홍""#, r#"{"a":[1,{"b":""}]}"#];
        for (number, value) in values.iter().enumerate() {
            let path: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            browser.post(before, &format!("/set/{number}/{path}"), &[]).await;
        }
        for _ in 0..2 {
            assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
            assert_moved(&browser);
            for (number, value) in values.iter().enumerate() {
                assert_eq!(browser.get(after, &format!("/get/{number}")).await.body, *value);
            }
        }
        assert_eq!(site.listed("kky").await, 1);
        assert!(site.old_keys().is_empty());
    }

    async fn requests_at_the_same_time_share_one_session(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let tabs = (0..8).map(|number| {
            let mut tab = browser.clone();
            async move {
                assert_eq!(tab.post(after, &format!("/set/{number}/{number}"), &[]).await.status, StatusCode::OK);
                tab
            }
        });
        for tab in join_all(tabs).await {
            assert_moved(&tab);
            browser = tab;
        }
        for number in 0..8 {
            assert_eq!(browser.get(after, &format!("/get/{number}")).await.body, number.to_string());
        }
        assert_eq!(site.listed("kky").await, 1);
    }

    async fn request_is_repeated_after_a_lost_reply(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let mut lost = browser.clone();
        lost.post(after, "/set/field/1", &[]).await;
        assert_eq!(browser.get(after, "/get/field").await.body, "1");
        assert_eq!(browser.cookie(NEW), lost.cookie(NEW));
        assert_eq!(site.listed("kky").await, 1);
    }

    async fn log_out_is_final_for_the_old_cookie(site: &Site, before, after) {
        for is_first_request in [true, false] {
            let mut browser = signed_in(before).await;
            let mut copy = browser.clone();
            if !is_first_request {
                browser.get(after, "/get/userid").await;
            }
            browser.post(after, "/sign-out", &[]).await;
            assert_eq!((browser.cookie(OLD), browser.cookie(NEW)), (None, None));
            assert_eq!(copy.post(after, "/set/field/1", &[]).await.status, StatusCode::OK);
            assert_eq!(copy.get(after, "/get/userid").await.body, "");
            assert_eq!(site.listed("kky").await, 0);
        }
    }

    async fn request_in_flight_does_not_undo_a_log_out(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let mut tab = browser.clone();
        let slow = tab.post(after, "/set-slowly/field", &[]);
        let quick = async {
            site.gate.entered.notified().await;
            browser.post(after, "/sign-out", &[]).await;
            site.gate.opened.notify_one();
        };
        let (page, ()) = tokio::join!(slow, quick);
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert_eq!(tab.get(after, "/get/userid").await.body, "");
        assert_eq!(site.listed("kky").await, 0);
    }

    async fn sign_in_may_be_the_first_request(site: &Site, before, after) {
        let mut browser = Browser::default();
        browser.post(before, "/set/cart/1", &[]).await;
        let mut copy = browser.clone();
        browser.post(after, "/sign-in/kky", &[]).await;
        assert_moved(&browser);
        assert_eq!(browser.get(after, "/get/cart").await.body, "1");
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
        // the renewal replaced the id that the old cookie leads to
        assert_eq!(copy.get(after, "/get/userid").await.body, "");
        assert_eq!(site.listed("kky").await, 1);
    }

    async fn request_in_flight_does_not_replace_the_cookie_of_a_renewal(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let mut tab = browser.clone();
        let slow = tab.get(after, "/get-slowly");
        let quick = async {
            site.gate.entered.notified().await;
            browser.post(after, "/sign-in/kky", &[]).await;
            site.gate.opened.notify_one();
        };
        tokio::join!(slow, quick);
        assert_eq!(tab.cookie(NEW), None, "the tab's cookies are the browser's");
        assert!(tab.cookie(OLD).is_some(), "the reply to the renewal may be lost");
    }

    async fn old_session_ends_beside_a_new_one(site: &Site, before, after) {
        let mut browser = Browser::default();
        browser.post(after, "/sign-in/new", &[]).await;
        browser.post(before, "/sign-in/kky", &[]).await;
        let mut copy = browser.clone();
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""new""#);
        assert_moved(&browser);
        browser.post(after, "/sign-out", &[]).await;
        assert_eq!(copy.get(after, "/get/userid").await.body, "");
        assert_eq!((copy.cookie(OLD), site.listed("kky").await), (None, 0));
        assert!(site.old_keys().is_empty());
    }

    async fn old_session_continues_beside_a_dead_new_one(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        browser.set_cookie(NEW, &"0".repeat(48));
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
        assert_moved(&browser);
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
        assert_eq!(site.listed("kky").await, 1);
    }

    async fn forged_cookie_opens_nothing_and_stays(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        let cookie = browser.cookie(OLD).unwrap().to_owned();
        let plain = site.old_keys().pop().unwrap_or_else(|| r#"{"userid":"\"kky\""}"#.to_owned());
        for forged in [plain, format!("{cookie}x"), format!("x{cookie}"), String::new(), "%00".to_owned()] {
            browser.set_cookie(OLD, &forged);
            assert_eq!(browser.get(after, "/get/userid").await.body, "", "{forged}");
            assert_eq!((browser.cookie(OLD), browser.cookie(NEW)), (Some(&*forged), None));
        }
        browser.set_cookie(OLD, &cookie);
        browser.set_cookie("other", "a=b");
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
    }

    async fn session_moves_with_an_error_of_the_handler(site: &Site, before, after) {
        let mut browser = signed_in(before).await;
        assert_eq!(browser.get(after, "/fail").await.status, StatusCode::BAD_REQUEST);
        assert_moved(&browser);
        assert_eq!(browser.get(after, "/get/userid").await.body, r#""kky""#);
        assert!(site.old_keys().is_empty());
    }
}

#[actix_web::test]
async fn old_side_sees_no_session_that_moved() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    let mut copy = browser.clone();
    browser.get(&after, "/get/userid").await;
    assert_eq!(copy.get(&before, "/get/userid").await.body, "");
}

#[actix_web::test]
async fn cookie_of_an_old_session_that_ended_is_removed() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    let _: u32 = site.redis.run(&["DEL", &site.old_keys()[0]]);
    assert_eq!(browser.get(&after, "/get/userid").await.body, "");
    assert_eq!((browser.cookie(OLD), browser.cookie(NEW)), (None, None));
    let keys: Vec<String> = site.redis.run(&["KEYS", "*"]);
    assert!(keys.is_empty(), "{keys:?}");
}

#[actix_web::test]
async fn unreadable_record_is_no_session_and_stays() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    for record in ["", "a", "[]", r#"{"a":1}"#, r#"{"a":"b"}"#, r#"{"_session":"{}"}"#] {
        let mut browser = signed_in(&before).await;
        let key = site.old_keys().pop().unwrap();
        let () = site.redis.run(&["SET", &key, record]);
        let page = browser.get(&after, "/get/a").await;
        assert_eq!((page.status, &*page.body), (StatusCode::OK, ""), "{record}");
        assert_eq!((browser.cookie(OLD), browser.cookie(NEW)), (None, None));
        assert_eq!(site.redis.run::<String>(&["GETDEL", &key]), record);
    }
}

#[actix_web::test]
async fn record_that_is_too_large_is_no_session_and_stays() {
    let mut site = Site::start();
    site.settings = |settings| patient(settings).with_max_size(1024).unwrap();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    browser
        .post(&before, &format!("/set/a/%22{}%22", "a".repeat(1024)), &[])
        .await;
    let page = browser.get(&after, "/get/userid").await;
    assert_eq!((page.status, &*page.body), (StatusCode::OK, ""));
    assert_eq!(site.old_keys().len(), 1);
}

#[actix_web::test]
async fn old_cookie_stays_while_redis_is_away() {
    let mut site = Site::start();
    site.settings = |settings| settings;
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    site.redis.kill();
    let page = browser.get(&after, "/get/userid").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        Browser::default().get(&after, "/get/userid").await.status,
        StatusCode::OK
    );
    assert!(browser.cookie(OLD).is_some());
    site.redis.restart(&[]);
    let mut page = browser.get(&after, "/get/userid").await;
    while page.status == StatusCode::SERVICE_UNAVAILABLE {
        page = browser.get(&after, "/get/userid").await;
    }
    assert_eq!(page.body, r#""kky""#);
}

/// The new sessions are in another store, which works.
#[actix_web::test]
async fn old_cookie_stays_while_the_old_store_fails_or_hangs() {
    let (mut site, old) = (Site::start(), RedisServer::start());
    site.settings = |settings| settings;
    let store = async || RedisSessionStore::new(old.url()).await.unwrap();
    let (before, after) = (site.before(store().await).await, site.after(store().await).await);
    let mut browser = signed_in(&before).await;
    old.freeze();
    assert_eq!(
        browser.get(&after, "/get/userid").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(browser.cookie(OLD).is_some());
    old.thaw();
    assert_eq!(browser.get(&after, "/get/userid").await.body, r#""kky""#);
    // the new store alone fails
    let mut other = signed_in(&before).await;
    site.redis.kill();
    assert_eq!(
        other.get(&after, "/get/userid").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(other.cookie(OLD).is_some());
}

/// Reads the state, and returns it after [`Gate::opened`], if there is a gate. Without one, it deletes nothing.
struct FaultyStore(RedisSessionStore, Option<Arc<Gate>>);

impl SessionStore for FaultyStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<HashMap<String, String>>, LoadError> {
        let state = self.0.load(key).await;
        if let Some(gate) = &self.1 {
            gate.wait().await;
        }
        state
    }

    async fn save(&self, state: HashMap<String, String>, ttl: &Duration) -> Result<SessionKey, SaveError> {
        self.0.save(state, ttl).await
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        ttl: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        self.0.update(key, state, ttl).await
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &Duration) -> Result<(), anyhow::Error> {
        self.0.update_ttl(key, ttl).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        anyhow::ensure!(self.1.is_some(), "it deletes nothing");
        self.0.delete(key).await
    }
}

#[actix_web::test]
async fn session_that_cannot_be_deleted_moves_once() {
    let site = Site::start();
    let before = site.before(site.store().await).await;
    let after = site.after(FaultyStore(site.store().await, None)).await;
    let mut browser = signed_in(&before).await;
    let mut copy = browser.clone();
    assert_eq!(browser.get(&after, "/get/userid").await.body, r#""kky""#);
    assert_moved(&browser);
    browser.post(&after, "/sign-out", &[]).await;
    assert_eq!(copy.get(&after, "/get/userid").await.body, "");
    assert_eq!((copy.cookie(OLD), site.old_keys().len()), (None, 1));
}

#[actix_web::test]
async fn request_that_read_the_old_record_before_a_log_out_does_not_undo_it() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    let gate = Arc::new(Gate::default());
    let slow = site.after(FaultyStore(site.store().await, Some(gate.clone()))).await;
    for quick_path in ["/sign-out", "/set/field/1"] {
        let mut browser = signed_in(&before).await;
        let mut tab = browser.clone();
        let quick = async {
            gate.entered.notified().await;
            browser.post(&after, quick_path, &[]).await;
            gate.opened.notify_one();
        };
        let (page, ()) = tokio::join!(tab.get(&slow, "/get/userid"), quick);
        let is_over = quick_path == "/sign-out";
        assert_eq!(page.body, if is_over { "" } else { r#""kky""# });
        assert_eq!(site.listed("kky").await, usize::from(!is_over));
        assert_eq!(tab.cookie(NEW), browser.cookie(NEW));
    }
}

#[actix_web::test]
async fn session_that_moved_is_listed_and_can_be_revoked() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    let mut copy = browser.clone();
    browser.get(&after, "/get/userid").await;
    assert_eq!(site.sessions().registry().revoke_all("kky").await.unwrap(), 1);
    for browser in [&mut browser, &mut copy] {
        assert_eq!(browser.get(&after, "/get/userid").await.body, "");
    }
}

#[actix_web::test]
async fn new_cookie_may_have_the_name_of_the_old_one() {
    let mut site = Site::start();
    site.settings = |settings| patient(settings).with_cookie_name(OLD).unwrap();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    let old = browser.cookie(OLD).unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(browser.get(&after, "/get/userid").await.body, r#""kky""#);
        assert!(browser.cookie(OLD).is_some_and(|cookie| cookie != old));
    }
    browser.post(&after, "/sign-out", &[]).await;
    assert_eq!(browser.cookie(OLD), None);
}

#[actix_web::test]
async fn sessions_move_into_a_format_of_php() {
    let mut site = Site::start();
    site.settings = |settings| patient(settings).with_format(Format::Php);
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    let mut copy = browser.clone();
    assert_eq!(browser.get(&after, "/get/userid").await.body, r#""kky""#);
    assert!(browser.cookie("PHPSESSID").is_some());
    browser.post(&after, "/sign-out", &[]).await;
    assert_eq!(copy.get(&after, "/get/userid").await.body, "");
}

/// Two browsers can have the same one.
#[actix_web::test]
async fn signed_cookie_with_the_state_is_ignored() {
    let site = Site::with_cookies(CookieContentSecurity::Signed);
    let before = site.before(CookieSessionStore::default()).await;
    let after = site.after(CookieSessionStore::default()).await;
    let mut browser = signed_in(&before).await;
    assert_eq!(browser.get(&after, "/get/userid").await.body, "");
    assert!(browser.cookie(OLD).is_some());
    assert_eq!(site.listed("kky").await, 0);
}

/// What Redis holds, together with the old cookies' records, opens no session.
#[actix_web::test]
async fn redis_holds_no_id() {
    let site = Site::start();
    let (before, after) = site.before_and_after().await;
    let mut browser = signed_in(&before).await;
    browser.get(&after, "/get/userid").await;
    let id = browser.cookie(NEW).unwrap();
    let keys: Vec<String> = site.redis.run(&["KEYS", "*"]);
    let claim = keys.iter().find(|key| key.starts_with("session:adopted:")).unwrap();
    let days = site.redis.run::<i64>(&["TTL", claim]) / 86_400;
    assert!((399..=400).contains(&days), "{days}");
    let verifier = &id[20..];
    for key in keys {
        let dump: Vec<u8> = site.redis.run(&["DUMP", &key]);
        assert!(!key.contains(verifier) && !String::from_utf8_lossy(&dump).contains(verifier));
    }
}

#[actix_web::test]
async fn removal_has_the_name_the_path_and_the_domain_of_the_old_cookie() {
    let site = Site::start();
    let sessions = SessionMiddleware::builder(site.store().await, site.key.clone()).cookie_name("session".to_owned());
    let before = boxed(init_service(App::new().configure(routes).wrap(sessions.build())).await);
    let old = OldSessions::new(site.store().await, site.key.clone())
        .cookie_name("session".to_owned())
        .cookie_path("/app".to_owned())
        .cookie_domain(Some("example.org".to_owned()));
    let after = site.after_with(old).await;
    let cookie = signed_in(&before).await.cookie("session").unwrap().to_owned();
    let request = actix_web::test::TestRequest::get().uri("/get/userid");
    let request = request.insert_header(("x-forwarded-proto", "https"));
    let request = request.insert_header(("cookie", format!("session={cookie}")));
    let response = after.call(request.to_request()).await.unwrap();
    let cookies = response.headers().get_all("set-cookie");
    let removal = cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .find(|cookie| cookie.starts_with("session="));
    let removal = removal.unwrap();
    for attribute in ["Max-Age=0", "Path=/app", "Domain=example.org", "Secure"] {
        assert!(removal.split("; ").any(|part| part == attribute), "{removal}");
    }
}
