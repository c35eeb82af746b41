//! The page `docs/wire-format.md` is right: its examples and scripts are compared with what the library does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::internals::{Change, IdScheme, Loaded, LoadedSession, Rules, SessionId, Store};
use shared_session::{CurrentSession, Format, Secure, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;

use crate::support::{Door, Stack, settings};

const PAGE: &str = include_str!("../../../docs/wire-format.md");

const TTL: Duration = Duration::from_secs(3600);

/// The time in milliseconds at which the page's examples begin: that of a new [`TestClock`].
const NOW: u64 = 1_763_830_000_000;

/// Returns the content of a fenced block, by what follows its opening fence.
fn block(name: &str) -> &'static str {
    let (_, after) = PAGE.split_once(&format!("\n```{name}\n")).expect(name);
    after.split_once("\n```").unwrap().0
}

/// Returns a value of the table of example values.
fn value(name: &str) -> &'static str {
    let line = block("text values").lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).trim()
}

fn id(name: &str) -> SessionId {
    IdScheme::SelectorVerifier.parse(value(name).as_bytes()).expect(name)
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        format: Format::Json,
        key_prefix: settings.key_prefix().to_owned(),
        ttl: settings.ttl(),
        lifetime: settings.lifetime(),
        principal_field: settings.principal_field().to_owned(),
        timeout: Duration::from_secs(20),
        max_size: settings.max_size(),
    }
}

/// The page's example record in a backend, and a clock that begins at the page's time.
struct Example {
    backend: Arc<dyn Backend>,
    clock: TestClock,
    store: Store,
}

impl Example {
    async fn in_memory() -> Self {
        let clock = TestClock::default();
        Self::over(Arc::new(Memory::new(clock.clock())), clock).await
    }

    async fn over(backend: Arc<dyn Backend>, clock: TestClock) -> Self {
        let rules = rules(&Settings::default());
        let store = Store::new(backend.clone(), Format::Json.codec(), rules, clock.clock());
        let example = Self { backend, clock, store };
        let record = block("json record").as_bytes();
        assert!(example.backend.create(value("key"), record, TTL).await.unwrap());
        example
    }

    async fn load(&self, name: &str) -> Loaded {
        self.store.request().load(&id(name)).await.unwrap()
    }

    async fn session(&self) -> LoadedSession {
        self.load("id").await.session().expect("the example is not a session")
    }

    async fn record(&self) -> String {
        let (record, _) = self.backend.peek(value("key")).await.unwrap().unwrap();
        String::from_utf8(record.to_vec()).unwrap()
    }

    async fn members(&self) -> Vec<String> {
        self.backend.index_members(value("index"), 0, 10).await.unwrap()
    }

    /// Commits the change of the page's example at its time.
    async fn change(&self) {
        self.clock.advance(Duration::from_secs(15));
        let session = self.session().await;
        let change = example_change(&session);
        self.store.request().commit(session, change).await.unwrap();
    }
}

/// Sets `rate` to 2 and removes `flash`.
fn example_change(session: &LoadedSession) -> Change {
    let mut after: HashMap<String, String> = HashMap::new();
    for (name, value) in session.fields().visible() {
        after.insert(name.to_owned(), value.to_owned());
    }
    after.insert("rate".to_owned(), "2".to_owned());
    after.remove("flash");
    Change::between(session.fields(), &after)
}

fn nothing(session: &LoadedSession) -> Change {
    let visible = session.fields().visible();
    let after = visible
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Change::between(session.fields(), &after.collect())
}

#[test]
fn example_values_agree_with_each_other() {
    let clock = TestClock::default().clock().now();
    assert_eq!(clock, Duration::from_millis(NOW));
    for (name, verifier) in [("id", "verifier"), ("superseded id", "")] {
        let key = IdScheme::SelectorVerifier.key("session:", &id(name));
        assert_eq!(key.as_str(), value("key"));
        assert!(value(name).ends_with(if verifier.is_empty() { "" } else { value(verifier) }));
    }
    let left = value("end of lifetime").parse::<u64>().unwrap() - (NOW / 1000 + 15);
    assert!(PAGE.contains(&format!("`LEFT` is\n{left}000.")), "{left}");
    let lines = [
        value("user"),
        &value("key")["session:".len()..],
        value("end of lifetime"),
    ];
    assert_eq!(block("text fingerprint"), lines.join("\n"));
    for (block_name, names) in [
        (
            "json record",
            &["verifier digest", "superseded digest", "index fingerprint", "user"][..],
        ),
        ("json changed", &["verifier digest", "index fingerprint"]),
        ("json renewed", &["verifier digest", "index fingerprint"]),
        ("json signed-in", &["verifier digest"]),
    ] {
        for name in names {
            let quoted = format!("\"{}\"", value(name));
            assert!(block(block_name).contains(&quoted), "{block_name}: {name}");
        }
    }
}

#[tokio::test]
async fn example_record_is_a_session_of_the_example_id() {
    let example = Example::in_memory().await;
    let session = example.session().await;
    let visible = session.fields().visible();
    assert_eq!(visible.get("username"), Some(&"\"홍길동\""));
    assert_eq!(visible.get("rate"), Some(&"1.0e2"));
    assert_eq!(visible.len(), 4);
    assert!(matches!(example.load("superseded id").await, Loaded::Superseded(_)));
    // 30 s after the time of the renewal that the record names
    example.clock.advance(Duration::from_secs(20));
    assert!(matches!(example.load("superseded id").await, Loaded::Missing));
}

#[tokio::test]
async fn example_change_results_in_the_changed_record() {
    let example = Example::in_memory().await;
    example.change().await;
    assert_eq!(example.record().await, block("json changed"));
    // the record's fingerprint says that the index has the session
    assert_eq!(example.members().await, [""; 0]);
}

#[tokio::test]
async fn example_renewal_results_in_the_renewed_record() {
    let example = Example::in_memory().await;
    example.change().await;
    let change = nothing(&example.session().await);
    assert_renewal_results_in(&example, change, "json renewed").await;
    assert_eq!(example.members().await, [""; 0]);
}

#[tokio::test]
async fn example_sign_in_results_in_the_signed_in_record() {
    let example = Example::in_memory().await;
    example.change().await;
    let change = nothing(&example.session().await).with_field("userid", &format!("\"{}\"", value("user")));
    assert_renewal_results_in(&example, change, "json signed-in").await;
    assert_eq!(example.members().await, [&value("key")["session:".len()..]]);
}

/// Renews the example's session 10 s from now, with a change.
async fn assert_renewal_results_in(example: &Example, change: Change, record_on_the_page: &str) {
    example.clock.advance(Duration::from_secs(10));
    let session = example.session().await;
    let new = example.store.request().renew(session, change).await.unwrap().unwrap();
    assert_eq!(new.delivered().expose()[..20], id("id").expose()[..20]);
    // the verifier of a real renewal is random
    let digest = |record: &str| record.split_once("\"verifier\":\"").unwrap().1[..24].to_owned();
    let record = example.record().await;
    let page = block(record_on_the_page);
    assert_eq!(record.replace(&digest(&record), &digest(page)), page);
    assert!(matches!(example.load("id").await, Loaded::Superseded(_)));
}

#[tokio::test]
async fn renewed_record_opens_for_the_new_verifier() {
    let example = Example::in_memory().await;
    let (_, after) = PAGE.split_once("with the new verifier `").unwrap();
    let text = format!("{}{}", &value("id")[..20], &after[..28]);
    let new = IdScheme::SelectorVerifier.parse(text.as_bytes()).unwrap();
    let (old, record) = (block("json record").as_bytes(), block("json renewed").as_bytes());
    example.backend.replace(value("key"), old, record, TTL).await.unwrap();
    example.clock.advance(Duration::from_secs(25));
    let loaded = example.store.request().load(&new).await.unwrap();
    assert!(matches!(loaded, Loaded::Session(_)));
}

#[tokio::test]
async fn example_index_and_handle_are_those_of_the_library() {
    let redis = RedisServer::start();
    let backend = Arc::new(redis.backend(Duration::from_secs(20)));
    let example = Example::over(backend.clone(), TestClock::default()).await;
    // a record that says nothing of the index gets its fingerprint with its next change
    let fingerprint = format!("\"indexed\":\"{}\",", value("index fingerprint"));
    let record = block("json record").as_bytes();
    let unindexed = block("json record").replace(&fingerprint, "");
    let unindexed = Bytes::from(unindexed);
    example
        .backend
        .replace(value("key"), record, &unindexed, TTL)
        .await
        .unwrap();
    let time = || {
        let [seconds, microseconds]: [u64; 2] = redis.run::<Vec<u64>>(&["TIME"]).try_into().unwrap();
        seconds * 1000 + microseconds / 1000
    };
    let before = time();
    example.change().await;
    assert_eq!(example.record().await, block("json changed"));
    let members: Vec<String> = redis.run(&["ZRANGE", value("index"), "0", "-1", "WITHSCORES"]);
    let [member, score] = members.try_into().unwrap();
    assert_eq!(member, value("id")[..20]);
    let end = value("end of lifetime").parse::<u64>().unwrap() * 1000;
    let added = score.parse::<u64>().unwrap() + example.clock.clock().now().as_millis() as u64 - end;
    assert!(
        (before..=time()).contains(&added),
        "the score is not by Redis's clock: {score}"
    );

    let sessions = SessionManager::builder(&Settings::default()).backend(backend);
    let registry = sessions.clock(example.clock.clock()).build().unwrap().registry();
    let page = registry
        .list(value("user"), &CurrentSession::default(), 0, 10)
        .await
        .unwrap();
    assert_eq!(page.sessions[0].handle.to_string(), value("handle"));
    assert_eq!(page.sessions[0].device.as_deref(), Some("Mozilla/5.0"));
    assert_eq!(value("index"), format!("session:index:{}", value("principal digest")));
}

#[tokio::test]
async fn scripts_on_the_page_are_those_that_the_library_sends() {
    let redis = RedisServer::start();
    let example = Example::over(Arc::new(redis.backend(Duration::from_secs(20))), TestClock::default()).await;
    example.backend.index_add("index", "a", TTL).await.unwrap();
    example.change().await;
    for name in ["lua compare-and-set", "lua index-add"] {
        let script = format!("\n{}", block(name));
        let sha1: String = redis.run(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", &script]);
        let known: Vec<bool> = redis.run(&["SCRIPT", "EXISTS", &sha1]);
        assert_eq!(known, [true], "the library did not send the script {name}");
    }
}

#[test]
fn default_settings_on_the_page_are_those_of_the_library() {
    let settings = Settings::default();
    let minutes = |time: Duration| format!("{} h", time.as_secs() / 3600);
    for (variable, default) in [
        ("SESSION_KEY_PREFIX", format!("`{}`", settings.key_prefix())),
        ("SESSION_COOKIE_NAME", format!("`{}`", settings.cookie_name())),
        ("SESSION_TTL", minutes(settings.ttl())),
        ("SESSION_LIFETIME", minutes(settings.lifetime())),
        ("SESSION_PRINCIPAL_FIELD", format!("`{}`", settings.principal_field())),
        ("SESSION_MAX_SIZE", format!("{} bytes", settings.max_size())),
        (
            "SESSION_STORE_TIMEOUT",
            format!("{} ms", settings.store_timeout().as_millis()),
        ),
    ] {
        let row = format!("| `{variable}` | {default} |");
        assert!(PAGE.contains(&row), "the page lacks {row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn example_cookie_has_the_attributes_that_the_middleware_sets() {
    let clock = TestClock::default();
    let backend = Arc::new(Memory::new(clock.clock()));
    let settings = settings().with_cookie_name("sid").unwrap();
    let stack = Stack::over(
        Door::Actix,
        backend,
        clock,
        &settings.with_cookie_secure(Secure::Always),
    );
    let response = stack.send(0, "/do/insert:a:1", None).await;
    let attributes = |cookie: &str| -> BTreeSet<String> { cookie.split("; ").skip(1).map(str::to_owned).collect() };
    let page = block("http set-cookie").strip_prefix("Set-Cookie: ").unwrap();
    let sent = response.set_cookie.unwrap();
    assert_eq!(attributes(page), attributes(&sent));
    assert!(page.starts_with(&format!("sid={}; ", value("id"))));
    assert_eq!(sent.find(';'), page.find(';'), "the lengths of the ids differ");

    let removal = stack.send(0, "/do/purge", response.cookie.as_deref()).await;
    let mut expected = attributes(page);
    expected.insert("Max-Age=0".to_owned());
    expected.insert("Expires=Thu, 01 Jan 1970 00:00:00 GMT".to_owned());
    let removal = removal.set_cookie.unwrap();
    assert!(removal.starts_with("sid=; "), "{removal}");
    assert_eq!(attributes(&removal), expected);
    assert_eq!(response.headers["cache-control"], "no-store");
}

#[test]
fn statuses_on_the_page_are_those_of_the_library() {
    use actix_web::ResponseError;
    use shared_session::Error;
    let too_large = Error::TooLarge { size: 2, max: 1 };
    for (text, error) in [
        ("| the session ended while a request changed it |", Error::Ended),
        (
            "| a change with a superseded id, or refused by step 2 |",
            Error::Superseded,
        ),
        ("| the record would be too large |", too_large),
        (
            "| Redis is unreachable, replies with an error or not in time",
            Error::CircuitOpen,
        ),
    ] {
        let row = PAGE.lines().find(|line| line.starts_with(text)).expect(text);
        let status = format!("| {}", error.status_code().as_u16());
        assert!(row.contains(&status), "{row}");
    }
}
