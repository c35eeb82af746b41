//! The page `docs/wire-format.md` is right: its vectors, examples and scripts are compared with what the library does.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::internals::{Change, IdScheme, Loaded, LoadedSession, Rules, SessionId, Store};
use shared_session::{CurrentSession, Error, Format, Secure, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::servers::RedisServer;

use crate::support::{Door, Stack, settings};

const PAGE: &str = include_str!("../../../docs/wire-format.md");

/// Longer than the vectors wait.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

/// The file of vectors. Python reads it, too.
#[derive(Deserialize)]
struct Vectors {
    id: String,
    new_verifier: String,
    readable: Vec<Readable>,
    unreadable: Vec<Unreadable>,
    principals: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Readable {
    name: String,
    record: String,
    id: Option<String>,
    at: Option<u64>,
    leads_to: String,
    fields: HashMap<String, String>,
    metadata: Option<HashMap<String, Value>>,
    #[serde(default)]
    unknown: HashMap<String, String>,
    #[serde(default)]
    changes: Vec<VectorChange>,
}

#[derive(Deserialize)]
struct VectorChange {
    at: Option<u64>,
    #[serde(default)]
    set: HashMap<String, String>,
    #[serde(default)]
    removed: Vec<String>,
    #[serde(default)]
    device: String,
    #[serde(default)]
    renews: bool,
    #[serde(default)]
    remembers: bool,
    record: String,
    adds_to_index: Option<String>,
}

#[derive(Deserialize)]
struct Unreadable {
    name: String,
    record: Option<String>,
    base64: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../docs/wire-format-vectors.json")).unwrap()
}

impl VectorChange {
    fn of(&self, session: &LoadedSession) -> Change {
        let visible = session.fields().visible();
        let kept = visible
            .iter()
            .filter(|(name, _)| !self.removed.contains(&(**name).to_owned()));
        let after = kept
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut change = Change::between(session.fields(), &after);
        for (name, value) in &self.set {
            change = change.with_field(name, value);
        }
        let change = change.with_device(&self.device);
        if self.remembers { change.remembered() } else { change }
    }
}

/// A record under the page's key in a backend, and a clock that begins at the page's time.
struct Example {
    backend: Arc<dyn Backend>,
    clock: TestClock,
    store: Store,
}

impl Example {
    async fn in_memory(record: &[u8]) -> Self {
        let clock = TestClock::default();
        Self::over(Arc::new(Memory::new(clock.clock())), clock, record).await
    }

    async fn over(backend: Arc<dyn Backend>, clock: TestClock, record: &[u8]) -> Self {
        let rules = Rules {
            timeout: Duration::from_secs(20),
            ..Rules::from(&Settings::default())
        };
        let store = Store::new(backend.clone(), Format::Json.codec(), rules, clock.clock());
        let example = Self { backend, clock, store };
        assert!(example.backend.create(value("key"), record, YEAR).await.unwrap());
        example
    }

    /// Lets the time come that a vector names.
    fn wait_until(&self, at: Option<u64>) {
        let now = self.clock.clock().now();
        self.clock.advance(at.map(Duration::from_millis).unwrap_or(now) - now);
    }

    async fn leads_to(&self, id: &str) -> &'static str {
        let id = IdScheme::SelectorVerifier.parse(id.as_bytes()).unwrap();
        match self.store.request().load(&id).await.unwrap() {
            Loaded::Session(_) => "session",
            Loaded::Superseded(_) => "superseded",
            Loaded::Missing | Loaded::Expired(_) => "missing",
        }
    }

    /// Returns how many sessions of a user are listed.
    async fn listed(&self, user: &str) -> usize {
        let sessions = SessionManager::builder(&Settings::default()).backend(self.backend.clone());
        let registry = sessions.clock(self.clock.clock()).build().unwrap().registry();
        let page = registry.list(user, &CurrentSession::default(), 0, 10).await;
        page.unwrap().sessions.len()
    }

    async fn session(&self, id: &str) -> LoadedSession {
        let id = IdScheme::SelectorVerifier.parse(id.as_bytes()).unwrap();
        let loaded = self.store.request().load(&id).await.unwrap();
        loaded.session().expect("the example is not a session")
    }

    async fn record(&self) -> String {
        let (record, _) = self.backend.peek(value("key")).await.unwrap().unwrap();
        String::from_utf8(record.to_vec()).unwrap()
    }

    /// Makes a change of the session with this id. Returns the new one, if it got one.
    async fn change(&self, id: &str, change: &VectorChange) -> Option<SessionId> {
        self.wait_until(change.at);
        let session = self.session(id).await;
        let wish = change.of(&session);
        if change.renews {
            let renewed = self.store.request().renew(session, wish).await.unwrap();
            return Some(renewed.expect("there is no other renewal").delivered());
        }
        self.store.request().commit(session, wish).await.unwrap();
        None
    }
}

/// Returns the digest of the verifier in a record.
fn verifier_digest(record: &str) -> &str {
    &record.split_once("\"verifier\":\"").unwrap().1[..24]
}

#[tokio::test]
async fn readable_records_have_the_fields_and_metadata_of_their_vectors() {
    let vectors = vectors();
    for vector in &vectors.readable {
        let (name, record) = (&vector.name, vector.record.as_bytes());
        let example = Example::in_memory(record).await;
        example.wait_until(vector.at);
        let leads_to = example.leads_to(vector.id.as_ref().unwrap_or(&vectors.id)).await;
        assert_eq!(leads_to, vector.leads_to, "{name}");
        let fields = Format::Json.codec().decode(Bytes::copy_from_slice(record)).unwrap();
        let visible: HashMap<&str, &str> = vector.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields.visible(), visible, "{name}");
        let metadata = fields
            .get("_session")
            .map(serde_json::from_str::<HashMap<String, Box<RawValue>>>);
        let Some(metadata) = metadata else {
            assert!(vector.metadata.is_none(), "{name}");
            continue;
        };
        let mut known = vector.metadata.clone().expect(name);
        for (member, value) in metadata.unwrap() {
            match vector.unknown.get(&member) {
                Some(unknown) => assert_eq!(value.get(), unknown, "{name}: {member}"),
                None => assert_eq!(
                    serde_json::to_value(value).ok(),
                    known.remove(&member),
                    "{name}: {member}"
                ),
            }
        }
        assert!(known.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn changes_result_in_the_records_of_their_vectors() {
    let vectors = vectors();
    for vector in &vectors.readable {
        let (name, id) = (&vector.name, vector.id.as_ref().unwrap_or(&vectors.id));
        for change in &vector.changes {
            let example = Example::in_memory(vector.record.as_bytes()).await;
            let renewed = example.change(id, change).await;
            let mut record = example.record().await;
            if let Some(renewed) = renewed {
                assert_eq!(example.leads_to(id).await, "superseded", "{name}");
                let is_remembered = change.record.contains("\"remembered\":true");
                assert_eq!(renewed.is_remembered(), is_remembered, "{name}");
                let end = if is_remembered { "r" } else { "" };
                let new = format!("{}{}{end}", &id[..20], vectors.new_verifier);
                // the verifier of a real renewal is random
                record = record.replace(verifier_digest(&record), verifier_digest(&change.record));
                let renewed = Example::in_memory(change.record.as_bytes()).await;
                renewed.wait_until(change.at);
                assert_eq!(renewed.leads_to(&new).await, "session", "{name}");
            }
            assert_eq!(record, change.record, "{name}");
            let users = vectors.principals.iter().filter_map(|(_, user)| user.as_ref());
            for user in users.chain(&change.adds_to_index).collect::<BTreeSet<_>>() {
                let expected = usize::from(change.adds_to_index.as_ref() == Some(user));
                assert_eq!(example.listed(user).await, expected, "{name}: {user}");
            }
        }
    }
}

#[tokio::test]
async fn unreadable_records_fail_and_stay() {
    for vector in vectors().unreadable {
        let record = match &vector.base64 {
            Some(text) => STANDARD.decode(text).unwrap(),
            None => vector.record.unwrap().into_bytes(),
        };
        let example = Example::in_memory(&record).await;
        let loaded = example.store.request().load(&id("id")).await;
        let error = loaded.expect_err(&vector.name);
        assert!(matches!(error, Error::Unreadable { .. }), "{}: {error}", vector.name);
        assert!(error.to_string().contains(value("key")), "{error}");
        let (left, _) = example.backend.peek(value("key")).await.unwrap().unwrap();
        assert_eq!(left, record, "{}", vector.name);
    }
}

#[tokio::test]
async fn principals_are_those_of_the_vectors() {
    for (principal, user) in vectors().principals {
        let (_, metadata) = block("json record").split_once(",\"_session\"").unwrap();
        let example = Example::in_memory(format!("{{\"userid\":{principal},\"_session\"{metadata}").as_bytes()).await;
        let change = Change::default().with_field("a", "1");
        example
            .store
            .request()
            .commit(example.session(value("id")).await, change)
            .await
            .unwrap();
        assert_eq!(
            example.record().await.contains("\"indexed\""),
            user.is_some(),
            "{principal}"
        );
        if let Some(user) = user {
            assert_eq!(example.listed(&user).await, 1, "{principal}");
        }
    }
}

#[test]
fn python_agrees_with_the_vectors() {
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/wire_client.py");
    let checked = Command::new("python3").arg(client).status();
    assert!(checked.expect("python3 is missing: apt-get install python3").success());
}

#[test]
fn example_values_agree_with_each_other() {
    let clock = TestClock::default().clock().now();
    assert_eq!(clock, Duration::from_millis(NOW));
    for (name, verifier) in [("id", "verifier"), ("superseded id", ""), ("remembered id", "")] {
        let key = IdScheme::SelectorVerifier.key("session:", &id(name));
        assert_eq!(key.as_str(), value("key"));
        assert!(value(name).ends_with(if verifier.is_empty() { "" } else { value(verifier) }));
    }
    assert_eq!(value("remembered id"), format!("{}r", value("id")));
    assert!(id("remembered id").is_remembered() && !id("id").is_remembered());
    let remembered = format!("\"verifier\":\"{}\"", value("remembered digest"));
    let examples = vectors()
        .readable
        .into_iter()
        .filter(|vector| vector.id.as_deref() == Some(value("remembered id")));
    assert!(
        examples
            .filter(|vector| vector.leads_to == "session")
            .all(|vector| vector.record.contains(&remembered))
    );
    for name in ["verifier digest", "superseded digest", "index fingerprint", "user"] {
        let quoted = format!("\"{}\"", value(name));
        assert!(block("json record").contains(&quoted), "{name}");
    }
    assert_eq!(block("json record"), vectors().readable[0].record);
}

#[tokio::test]
async fn example_index_and_handle_are_those_of_the_library() {
    let redis = RedisServer::start();
    let backend = Arc::new(redis.backend(Duration::from_secs(20)));
    // a record that says nothing of the index gets its fingerprint with its next change
    let fingerprint = format!("\"indexed\":\"{}\",", value("index fingerprint"));
    let unindexed = block("json record").replace(&fingerprint, "");
    let example = Example::over(backend.clone(), TestClock::default(), unindexed.as_bytes()).await;
    let change = &vectors().readable[0].changes[0];
    let time = || {
        let [seconds, microseconds]: [u64; 2] = redis.run::<Vec<u64>>(&["TIME"]).try_into().unwrap();
        seconds * 1000 + microseconds / 1000
    };
    let before = time();
    example.change(value("id"), change).await;
    assert_eq!(example.record().await, change.record);
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
    let (backend, record) = (redis.backend(Duration::from_secs(20)), block("json record").as_bytes());
    let example = Example::over(Arc::new(backend), TestClock::default(), record).await;
    example.backend.index_add("index", "a", YEAR).await.unwrap();
    example.change(value("id"), &vectors().readable[0].changes[0]).await;
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
    let hours = |time: Duration| format!("{} h", time.as_secs() / 3600);
    let days = |time: Duration| format!("{} days", time.as_secs() / 86_400);
    for (variable, default) in [
        ("SESSION_KEY_PREFIX", format!("`{}`", settings.key_prefix())),
        ("SESSION_COOKIE_NAME", format!("`{}`", settings.cookie_name())),
        ("SESSION_TTL", hours(settings.ttl())),
        ("SESSION_LIFETIME", hours(settings.lifetime())),
        ("SESSION_REMEMBER_TTL", days(settings.remember_ttl())),
        ("SESSION_REMEMBER_LIFETIME", days(settings.remember_lifetime())),
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
    let too_large = Error::TooLarge {
        size: 2,
        max: 1,
        field: None,
    };
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
