//! The users: they write drafts, sign in, renew their ids and log out, and check at every step that what was confirmed holds.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use actix_web::rt::time::sleep;
use service_kit::testing::reqwest::{Client, redirect::Policy};

use crate::network::{HOSTS, public};
use crate::report::{Fact, Report, Response};
use crate::stack::{BOUND, Mode};

const USERS_PER_MODE: usize = 7;
/// How many cookies are checked at the same time at the end.
const CHECKERS: usize = 4;
const PASSWORD: &str = "correct+horse+battery";
/// A user registers again after so many visits, so that the list of tasks stays short.
const VISITS_PER_ACCOUNT: usize = 20;
/// How long a renewal with an unknown outcome may take until the old id is valid again.
const SETTLED: Duration = Duration::from_secs(40);
const PATIENCE: Duration = Duration::from_secs(60);
const TASKS: &str = "/task/";

/// The services, as browsers see them.
#[derive(Clone)]
pub struct Site {
    client: Client,
    report: Arc<Report>,
    closed: Arc<AtomicBool>,
    /// What must still hold at the end.
    claims: Arc<Mutex<Vec<Claim>>>,
}

/// What a cookie must show.
struct Claim {
    mode: Mode,
    cookie: String,
    expected: Expected,
    history: Vec<String>,
}

#[derive(Clone)]
enum Expected {
    /// The list of drafts, with these titles.
    Drafts(Vec<String>),
    /// A signed-in user with this id.
    User(String),
    /// No session, because of this fact.
    Nothing(Fact),
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: String,
    host: usize,
}

/// A user of the services of one mode.
struct User {
    site: Site,
    mode: Mode,
    number: usize,
    /// The user's account.
    id: String,
    titles: usize,
    random: Cell<u64>,
    /// The changes of the current visit and their responses, for the report of a loss.
    history: RefCell<Vec<String>>,
    /// Whether the user pauses before each request.
    pauses: bool,
}

/// A fact that does not hold any more, and what showed it.
struct Loss(Fact, String);

impl Site {
    pub fn new(report: Arc<Report>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // shorter than the services keep an idle connection, so that they close none while a request is on its way
            .pool_idle_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(10));
        Self {
            client: client.build().unwrap(),
            report,
            closed: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// Waits until every service is ready, and then lets users work until the site is closed.
    pub async fn open(&self) -> Vec<JoinHandle<()>> {
        for host in 0..HOSTS {
            for port in Mode::ALL.into_iter().flat_map(|mode| [mode.port(), mode.port() + 1]) {
                self.wait_until_ready(&format!("http://{}:{port}/readyz", public(host)))
                    .await;
            }
        }
        let users = (0..USERS_PER_MODE).flat_map(|number| Mode::ALL.map(|mode| User::new(self.clone(), mode, number)));
        users.map(|user| rt::spawn(user.work())).collect()
    }

    async fn wait_until_ready(&self, url: &str) {
        for _ in 0..300 {
            if self
                .client
                .get(url)
                .send()
                .await
                .is_ok_and(|response| response.status() == 200)
            {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("{url} did not become ready");
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Checks what every cookie of the test shows.
    pub async fn check_all(&self) {
        let claims = std::mem::take(&mut *self.claims.lock().unwrap());
        println!("checking what {} cookies show", claims.len());
        let claims = Arc::new(Mutex::new(claims));
        let checks = (0..CHECKERS).map(|number| rt::spawn(self.clone().check_some(number, claims.clone())));
        for check in checks.collect::<Vec<_>>() {
            check.await.unwrap();
        }
    }

    async fn check_some(self, number: usize, claims: Arc<Mutex<Vec<Claim>>>) {
        loop {
            let Some(claim) = claims.lock().unwrap().pop() else {
                return;
            };
            let mut user = User::new(self.clone(), claim.mode, number);
            user.pauses = false;
            user.history.replace(claim.history);
            if let Err(Loss(fact, details)) = user.check(&claim.cookie, &claim.expected).await {
                self.report.lost(claim.mode, fact, &format!("at the end: {details}"));
            }
        }
    }
}

impl User {
    fn new(site: Site, mode: Mode, number: usize) -> Self {
        let random = Cell::new(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1) << 8 ^ mode.port() as u64);
        Self {
            site,
            mode,
            number,
            id: String::new(),
            titles: 0,
            random,
            history: RefCell::default(),
            pauses: true,
        }
    }

    async fn work(mut self) {
        let mut has_account = false;
        for visit in 0.. {
            if self.site.closed.load(Ordering::Relaxed) {
                return;
            }
            if !has_account || visit % VISITS_PER_ACCOUNT == 0 {
                self.register(visit).await;
                has_account = true;
            }
            if let Err(Loss(fact, details)) = self.visit().await {
                self.site.report.lost(self.mode, fact, &details);
                has_account = fact != Fact::Account;
            }
        }
    }

    async fn register(&mut self, visit: usize) {
        self.id = format!("{:?}-{}-{visit}", self.mode, self.number).to_lowercase();
        let form = format!("id={0}&name={0}&password={PASSWORD}", self.id);
        loop {
            match self.post("/user/register", None, &form).await {
                // 200: the account was stored, but its session was not; 409: an earlier attempt succeeded, but its response was
                // 503
                Answer {
                    status: 200 | 303 | 409,
                    ..
                } => {
                    self.confirm(Fact::Account);
                    return;
                }
                Answer { status: 503, .. } => {}
                answer => self.unexpected("a registration", &answer),
            }
        }
    }

    /// Writes drafts, signs in, and leaves in one of several ways.
    async fn visit(&mut self) -> Result<(), Loss> {
        self.history.borrow_mut().clear();
        let (mut cookie, mut drafts) = (None, Vec::new());
        for _ in 0..2 + self.random(4) {
            self.add_draft(&mut cookie, &mut drafts).await?;
            if let Some(cookie) = &cookie {
                self.check(cookie, &Expected::Drafts(drafts.clone())).await?;
            }
        }
        let Some(cookie) = cookie else {
            return Ok(());
        };
        if self.random(4) == 0 {
            self.claim(cookie, Expected::Drafts(drafts));
            return Ok(());
        }
        let user = Expected::User(self.id.clone());
        let mut cookie = self.sign_in(cookie, &Expected::Drafts(drafts.clone())).await?;
        self.check_tasks(&cookie, &drafts).await?;
        for _ in 0..self.random(3) {
            for _ in 0..1 + self.random(3) {
                self.check(&cookie, &user).await?;
            }
            cookie = self.sign_in(cookie, &user).await?;
        }
        self.check(&cookie, &user).await?;
        if self.random(3) == 0 {
            self.claim(cookie, user);
            return Ok(());
        }
        self.log_out(cookie).await
    }

    async fn add_draft(&mut self, cookie: &mut Option<String>, drafts: &mut Vec<String>) -> Result<(), Loss> {
        self.titles += 1;
        let title = format!("draft-{}-of-{}.", self.titles, self.id);
        let answer = self.post(TASKS, cookie.as_deref(), &format!("title={title}")).await;
        match answer.status {
            303 => {
                if answer.cookie.is_some() {
                    if cookie.is_some() {
                        return Err(self.loss(Fact::Session, "another session was created", &answer));
                    }
                    self.confirm(Fact::Session);
                    *cookie = answer.cookie;
                }
                self.confirm(Fact::Change);
                drafts.push(title);
            }
            503 => {}
            _ => self.unexpected("a draft", &answer),
        }
        Ok(())
    }

    /// Signs in, and returns the new id. `before` is what the cookie shows before that.
    async fn sign_in(&self, cookie: String, before: &Expected) -> Result<String, Loss> {
        let form = format!("id={}&password={PASSWORD}", self.id);
        let mut is_uncertain = false;
        loop {
            let answer = self.post("/user/login", Some(&cookie), &form).await;
            match (answer.status, &answer.cookie) {
                (303, Some(new)) => {
                    self.confirm(Fact::Renewal);
                    self.confirm(Fact::Session);
                    self.ended(cookie, Fact::Renewal).await?;
                    return Ok(new.clone());
                }
                (503, _) => {
                    is_uncertain = true;
                    self.wait_until_settled(&cookie, before).await?;
                }
                (401, _) => return Err(self.loss(Fact::Account, "the account is unknown", &answer)),
                // the attempt before was still being settled
                (409, _) if is_uncertain => self.wait_until_settled(&cookie, before).await?,
                _ => self.unexpected("a sign-in", &answer),
            }
        }
    }

    /// Waits until an id is valid that may have been renewed, but was not.
    async fn wait_until_settled(&self, cookie: &str, before: &Expected) -> Result<(), Loss> {
        let deadline = Instant::now() + SETTLED;
        loop {
            match self.check(cookie, before).await {
                Err(_) if Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    async fn log_out(&self, cookie: String) -> Result<(), Loss> {
        loop {
            let answer = self.post("/user/logout", Some(&cookie), "").await;
            match answer.status {
                303 => {
                    self.confirm(Fact::LogOut);
                    return self.ended(cookie, Fact::LogOut).await;
                }
                503 => {}
                _ => self.unexpected("a log-out", &answer),
            }
        }
    }

    /// Checks now and at the end that an id is invalid.
    async fn ended(&self, cookie: String, fact: Fact) -> Result<(), Loss> {
        self.check(&cookie, &Expected::Nothing(fact)).await?;
        self.claim(cookie, Expected::Nothing(fact));
        Ok(())
    }

    /// Checks that a user's tasks contain the drafts.
    async fn check_tasks(&self, cookie: &str, drafts: &[String]) -> Result<(), Loss> {
        self.up_to_date(async || self.check_tasks_now(cookie, drafts).await)
            .await
    }

    async fn check_tasks_now(&self, cookie: &str, drafts: &[String]) -> Result<(), Loss> {
        let answer = self.get(TASKS, cookie).await;
        if !answer.body.contains("<h1>Your tasks</h1>") {
            return Err(self.loss(Fact::Session, "the user is signed out", &answer));
        }
        match drafts.iter().find(|title| !answer.body.contains(*title)) {
            Some(title) => Err(self.loss(Fact::Change, &format!("{title} is missing in the tasks"), &answer)),
            None => Ok(()),
        }
    }

    /// Checks what a cookie shows. With a cache, a page may show for a while what was before.
    async fn check(&self, cookie: &str, expected: &Expected) -> Result<(), Loss> {
        self.up_to_date(async || self.check_now(cookie, expected).await).await
    }

    /// Repeats a check, until it began so late that every cache has what was confirmed before.
    async fn up_to_date(&self, check: impl AsyncFn() -> Result<(), Loss>) -> Result<(), Loss> {
        let confirmed = Instant::now();
        loop {
            let began = Instant::now();
            let result = check().await;
            if result.is_ok() || self.mode != Mode::Cached || began > confirmed + BOUND {
                return result;
            }
            self.site.report.stale();
        }
    }

    async fn check_now(&self, cookie: &str, expected: &Expected) -> Result<(), Loss> {
        match expected {
            Expected::Drafts(titles) => {
                let answer = self.get(TASKS, cookie).await;
                let mut missing = titles.iter().filter(|title| !answer.body.contains(*title));
                match missing.clone().count() {
                    0 => Ok(()),
                    count if count == titles.len() => Err(self.loss(Fact::Session, "there are no drafts", &answer)),
                    _ => Err(self.loss(
                        Fact::Change,
                        &format!("{} is missing", missing.next().unwrap()),
                        &answer,
                    )),
                }
            }
            Expected::User(id) => {
                let (path, text) = match self.random(2) {
                    0 => ("/user/", format!("<h1>Hello, {id}</h1>")),
                    _ => ("/task/redis_session_get", format!("아이디 : {id}<br>")),
                };
                let answer = self.get(path, cookie).await;
                if answer.body.contains(&text) {
                    return Ok(());
                }
                Err(self.loss(Fact::Session, "the user is signed out", &answer))
            }
            Expected::Nothing(fact) => {
                let answer = self.get("/user/", cookie).await;
                if answer.body.contains("<h1>One session for every program</h1>") {
                    // a session without a user shows nothing here, so its drafts are looked for
                    let answer = self.get(TASKS, cookie).await;
                    if answer.body.contains("This list is empty.") {
                        return Ok(());
                    }
                }
                Err(self.loss(*fact, "an invalid id is valid", &answer))
            }
        }
    }

    /// Requests a page until the response is not 503.
    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.send(path, Some(cookie), None).await;
            match answer.status {
                200 => return answer,
                503 if Instant::now() < deadline => {}
                _ => self.unexpected(path, &answer),
            }
        }
    }

    async fn post(&self, path: &str, cookie: Option<&str>, form: &str) -> Answer {
        self.send(path, cookie, Some(form)).await
    }

    /// Sends a request to any host.
    async fn send(&self, path: &str, cookie: Option<&str>, form: Option<&str>) -> Answer {
        if self.pauses {
            sleep(Duration::from_millis(50 + self.random(100))).await;
        }
        let host = usize::try_from(self.random(HOSTS as u64)).unwrap();
        let port = self.mode.port() + u16::from(path.starts_with("/task/"));
        let url = format!("http://{}:{port}{path}", public(host));
        let mut request = match form {
            None => self.site.client.get(url),
            Some(form) => self.site.client.post(url).body(form.to_owned()),
        };
        request = request.header("content-type", "application/x-www-form-urlencoded");
        request = request.header("sec-fetch-site", "same-origin");
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("sid={cookie}"));
        }
        let sent = Instant::now();
        let response = request.send().await;
        let response = response.unwrap_or_else(|error| panic!("{path} on host {host}: {error:?}"));
        let status = response.status().as_u16();
        let cookies = response.headers().get_all("set-cookie").iter();
        let ids = cookies.filter_map(|cookie| cookie.to_str().unwrap().strip_prefix("sid=")?.split(';').next());
        let new_cookie = ids.map(str::to_owned).find(|id| !id.is_empty());
        let body = response.text().await.unwrap();
        if form.is_some() {
            let line = format!("{} {path} on host {host}: {status}", self.site.report.time(sent));
            self.history.borrow_mut().push(line);
        }
        // not the store's doing
        let is_busy = status == 503 && body.contains("Too many users are signing in");
        self.site.report.response(Response {
            sent,
            host,
            mode: self.mode,
            path: path.to_owned(),
            needs_store: cookie.is_some() || form.is_some(),
            status: if is_busy { 429 } else { status },
        });
        Answer {
            status,
            cookie: new_cookie,
            host,
            body,
        }
    }

    fn claim(&self, cookie: String, expected: Expected) {
        let history = self.history.borrow().clone();
        let claim = Claim {
            mode: self.mode,
            cookie,
            expected,
            history,
        };
        self.site.claims.lock().unwrap().push(claim);
    }

    fn confirm(&self, fact: Fact) {
        self.site.report.confirmed(self.mode, fact);
    }

    fn unexpected(&self, what: &str, answer: &Answer) {
        self.site.report.problem(format!(
            "{what} of {} was answered {} by host {}",
            self.id, answer.status, answer.host
        ));
    }

    fn loss(&self, fact: Fact, what: &str, answer: &Answer) -> Loss {
        let now = self.site.report.time(Instant::now());
        let history = self.history.borrow().join("; ");
        Loss(
            fact,
            format!("{what}, says host {} after {now}; before: {history}", answer.host),
        )
    }

    /// Returns a number below `limit` (Marsaglia's xorshift).
    fn random(&self, limit: u64) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random % limit
    }
}
