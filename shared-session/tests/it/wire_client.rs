//! A program in another language shares sessions with the library, and neither loses anything: `tests/wire_client.py`, which
//! is written from `docs/wire-format.md`, runs beside two stores on one Redis.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared_session::codec::Fields;
use shared_session::internals::{Change, Loaded, LoadedSession, Rules, SessionId, Store};
use shared_session::{Clock, CurrentSession, Error, Format, Registry, SessionManager, Settings};
use shared_session_testkit::servers::RedisServer;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::support::settings;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/wire_client.py");

/// A process of the client. It has one request at a time.
struct Python {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    fn start(redis: &RedisServer, timeout: &str) -> Self {
        let spawned = Command::new("python3")
            .args([CLIENT, &redis.port().to_string(), timeout])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = spawned.expect("python3 is missing: apt-get install python3");
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self {
            process,
            input,
            output: BufReader::new(output),
        }
    }

    fn call(&mut self, call: &Value) -> Value {
        writeln!(self.input, "{call}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the client failed: see its error above")
    }

    /// Begins a request. Returns what the id leads to, and the fields.
    fn load(&mut self, id: &str) -> (String, Value) {
        let reply = self.call(&json!(["load", id]));
        assert_eq!(reply[0], 200, "{reply}");
        (reply[1].as_str().unwrap().to_owned(), reply[2].clone())
    }

    /// Ends the request with a change of fields to JSON text. Returns the status and the new cookie.
    fn finish(&mut self, wish: &str, change: Value) -> (u64, Option<String>) {
        let reply = self.call(&json!(["finish", wish, change, "Python"]));
        (reply[0].as_u64().unwrap(), reply[1].as_str().map(str::to_owned))
    }

    /// Creates a session, and returns its id.
    fn create(&mut self, change: Value) -> String {
        self.load("");
        let (status, id) = self.finish("keep", change);
        assert_eq!(status, 200);
        id.unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A store with a connection of its own, as another process has it.
fn store(redis: &RedisServer) -> Store {
    let backend = Arc::new(redis.backend(Duration::from_secs(20)));
    Store::new(backend, Format::Json.codec(), Rules::from(&settings()), Clock::system())
}

fn registry(redis: &RedisServer) -> Registry {
    let backend = Arc::new(redis.backend(Duration::from_secs(20)));
    let sessions = SessionManager::builder(&Settings::default()).backend(backend);
    sessions.build().unwrap().registry()
}

fn set(name: &str, value: &str) -> Change {
    Change::between(&Fields::new(), &HashMap::from([(name.to_owned(), value.to_owned())]))
}

fn id(store: &Store, text: &str) -> SessionId {
    store
        .parse_id(text.as_bytes())
        .expect("the client issued an invalid id")
}

async fn load(store: &Store, text: &str) -> Loaded {
    store.request().load(&id(store, text)).await.unwrap()
}

async fn session(store: &Store, text: &str) -> LoadedSession {
    load(store, text).await.session().expect("the id leads to no session")
}

async fn field(store: &Store, text: &str, name: &str) -> Option<String> {
    session(store, text).await.fields().get(name).map(str::to_owned)
}

async fn create(store: &Store) -> String {
    let id = store.request().create(&set("a", "1")).await.unwrap();
    id.expose().to_owned()
}

fn key(id: &str) -> String {
    format!("session:{}", &id[..20])
}

fn exists(redis: &RedisServer, id: &str) -> bool {
    redis.run(&["EXISTS", &key(id)])
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_what_the_library_wrote_and_leaves_an_unreadable_record() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    let own = create(&store).await;
    assert_eq!(python.load(&own), ("session".to_owned(), json!({"a": "1"})));
    let foreign = format!("{}{}", &own[..20], "x".repeat(28));
    for id in [&foreign, &"x".repeat(48), "x", ""] {
        assert_eq!(python.load(id), ("missing".to_owned(), json!({})), "{id}");
    }
    let () = redis.run(&["SET", &key(&own), "[]"]);
    assert_eq!(python.call(&json!(["load", own]))[0], 500);
    assert_eq!(redis.run::<String>(&["GET", &key(&own)]), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn lifetime_ends_a_session_in_either_language() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for language in ["rust", "python"] {
        let own = create(&store).await;
        let in_flight = session(&store, &own).await;
        let record: String = redis.run(&["GET", &key(&own)]);
        let (before, rest) = record.split_once("\"created\":").unwrap();
        let created: u64 = rest[..10].parse().unwrap();
        let older = |seconds: u64| format!("{before}\"created\":{}{}", created - seconds, &rest[10..]);
        let () = redis.run(&["SET", &key(&own), &older(86_400 - 60), "EX", "60"]);
        assert_eq!(python.load(&own).0, "session");
        let left: i64 = redis.run(&["TTL", &key(&own)]);
        assert!(left > 3500, "the load did not extend the idle timeout: {left}");
        let () = redis.run(&["SET", &key(&own), &older(86_400), "EX", "60"]);
        if language == "rust" {
            let late = store.request().commit(in_flight, set("late", "1")).await;
            assert!(matches!(late, Err(Error::Ended)));
            assert!(matches!(load(&store, &own).await, Loaded::Expired(_)));
        } else {
            assert_eq!(python.finish("keep", json!({"late": "1"})), (409, None));
            assert_eq!(python.load(&own).0, "missing");
        }
        // a wrong clock must not end it for the others
        assert!(exists(&redis, &own));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_in_one_language_begins_the_lifetime_in_both() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for (language, wish) in [("rust", "keep"), ("python", "keep"), ("python", "renew")] {
        let own = create(&store).await;
        // the session was created a day ago, apart from a minute
        let record: String = redis.run(&["GET", &key(&own)]);
        let (before, rest) = record.split_once("\"created\":").unwrap();
        let created: u64 = rest[..10].parse().unwrap();
        let older = format!("{before}\"created\":{}{}", created - 86_340, &rest[10..]);
        let () = redis.run(&["SET", &key(&own), &older, "EX", "60"]);
        let user = format!("{language} {wish}");
        let text = serde_json::to_string(&user).unwrap();
        let own = if language == "rust" {
            let session = session(&store, &own).await;
            store.request().commit(session, set("userid", &text)).await.unwrap();
            own
        } else {
            python.load(&own);
            let (status, renewed) = python.finish(wish, json!({"userid": text}));
            assert_eq!(status, 200);
            renewed.unwrap_or(own)
        };
        let record: String = redis.run(&["GET", &key(&own)]);
        let past = record.replace(
            &format!("\"created\":{}", created - 86_340),
            &format!("\"created\":{}", created - 200_000),
        );
        assert_ne!(record, past);
        let () = redis.run(&["SET", &key(&own), &past, "EX", "60"]);
        assert!(matches!(load(&store, &own).await, Loaded::Session(_)), "{user}");
        assert_eq!(python.load(&own).0, "session", "{user}");
        let page = registry(&redis).list(&user, &CurrentSession::default(), 0, 10).await;
        assert_eq!(page.unwrap().sessions.len(), 1, "{user}");
        let index: Vec<String> = redis.run(&["KEYS", "session:index:*"]);
        let [_, score]: [String; 2] = redis
            .run::<Vec<String>>(&["ZRANGE", &index[0], "0", "-1", "WITHSCORES"])
            .try_into()
            .unwrap();
        let left = score.parse::<u64>().unwrap() / 1000 - created;
        assert!((86_390..=86_430).contains(&left), "{user}: {left}");
        let () = redis.run(&["FLUSHALL"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_both_languages_all_take_effect() {
    const EACH: usize = 25;
    let redis = RedisServer::start();
    let services = [store(&redis), store(&redis)];
    let own = create(&services[0]).await;
    let mut tasks = JoinSet::new();
    for writer in 0..4 {
        let (store, id) = (services[writer % 2].clone(), own.clone());
        tasks.spawn(async move {
            for number in 0..EACH {
                let change = set(&format!("rust{writer}-{number}"), "1");
                let loaded = session(&store, &id).await;
                store.request().commit(loaded, change).await.unwrap();
            }
        });
        let (mut python, id) = (Python::start(&redis, "20"), own.clone());
        tasks.spawn_blocking(move || {
            for number in 0..EACH {
                assert_eq!(python.load(&id).0, "session");
                let finished = python.finish("keep", json!({format!("python{writer}-{number}"): "1"}));
                assert_eq!(finished, (200, None));
            }
        });
    }
    tasks.join_all().await;
    let loaded = session(&services[1], &own).await;
    for writer in 0..4 {
        for number in 0..EACH {
            for language in ["rust", "python"] {
                let name = format!("{language}{writer}-{number}");
                assert_eq!(loaded.fields().get(&name), Some("1"), "{name} was lost");
            }
        }
    }
    assert_eq!(loaded.fields().visible().len(), 1 + 8 * EACH);
}

/// Changes the session, whatever its id is by now, until the change was answered as done.
async fn change_by_rust(store: &Store, current: &Mutex<String>, name: &str) {
    loop {
        let own = current.lock().unwrap().clone();
        let Loaded::Session(loaded) = load(store, &own).await else {
            continue;
        };
        match store.request().commit(*loaded, set(name, "1")).await {
            Ok(()) => return,
            Err(error) => assert!(matches!(error, Error::Superseded), "{error}"),
        }
    }
}

fn change_by_python(python: &mut Python, current: &Mutex<String>, name: &str) {
    loop {
        let own = current.lock().unwrap().clone();
        if python.load(&own).0 != "session" {
            continue;
        }
        match python.finish("keep", json!({name: "1"})) {
            (200, None) => return,
            other => assert_eq!(other, (409, None)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_of_both_languages_lose_no_change_of_the_other() {
    let redis = RedisServer::start();
    let services = [store(&redis), store(&redis)];
    for renewing in ["python", "rust"] {
        let current = Arc::new(Mutex::new(create(&services[0]).await));
        let mut tasks = JoinSet::new();
        let (mut python, store, shared) = (Python::start(&redis, "20"), services[0].clone(), current.clone());
        let rust_store = services[1].clone();
        tasks.spawn(async move {
            for number in 0..20 {
                let own = shared.lock().unwrap().clone();
                let name = format!("renewal{number}");
                let new = if renewing == "python" {
                    assert_eq!(python.load(&own).0, "session");
                    let (status, new) = python.finish("renew", json!({name: "1"}));
                    assert_eq!(status, 200);
                    new
                } else {
                    let loaded = session(&store, &own).await;
                    let new = store.request().renew(loaded, set(&name, "1")).await.unwrap();
                    new.map(|new| new.delivered().expose().to_owned())
                };
                let new = new.expect("there is no other renewal");
                assert_ne!(new, own);
                *shared.lock().unwrap() = new;
                sleep(Duration::from_millis(5)).await;
            }
        });
        for writer in 0..2 {
            let shared = current.clone();
            if renewing == "python" {
                let store = rust_store.clone();
                tasks.spawn(async move {
                    for number in 0..40 {
                        change_by_rust(&store, &shared, &format!("change{writer}-{number}")).await;
                    }
                });
            } else {
                let mut python = Python::start(&redis, "20");
                tasks.spawn_blocking(move || {
                    for number in 0..40 {
                        change_by_python(&mut python, &shared, &format!("change{writer}-{number}"));
                    }
                });
            }
        }
        tasks.join_all().await;
        let own = current.lock().unwrap().clone();
        let loaded = session(&services[0], &own).await;
        assert_eq!(loaded.fields().visible().len(), 1 + 20 + 2 * 40, "{renewing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_renewals_wins_and_both_changes_are_kept() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for _ in 0..20 {
        let own = create(&store).await;
        let loaded = session(&store, &own).await;
        python.load(&own);
        let renewing = spawn_blocking(move || {
            let finished = python.finish("renew", json!({"python": "1"}));
            (python, finished)
        });
        let by_rust = store.request().renew(loaded, set("rust", "1")).await.unwrap();
        let (back, (status, by_python)) = renewing.await.unwrap();
        python = back;
        assert_eq!(status, 200);
        let by_rust = by_rust.map(|new| new.delivered().expose().to_owned());
        assert!(by_rust.is_some() != by_python.is_some(), "one of them wins");
        let new = by_rust.or(by_python).unwrap();
        let fields = session(&store, &new).await;
        assert_eq!(
            (fields.fields().get("rust"), fields.fields().get("python")),
            (Some("1"), Some("1"))
        );
        assert!(matches!(load(&store, &own).await, Loaded::Superseded(_)));
        assert_eq!(python.load(&own).0, "superseded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_in_one_language_is_final_for_requests_in_flight_in_the_other() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for wish in ["keep", "renew"] {
        let own = create(&store).await;
        python.load(&own);
        store.request().destroy(session(&store, &own).await).await.unwrap();
        assert_eq!(python.finish(wish, json!({"late": "1"})), (409, None));
        assert!(!exists(&redis, &own));
    }
    let own = create(&store).await;
    let (one, other) = (session(&store, &own).await, session(&store, &own).await);
    python.load(&own);
    assert_eq!(python.finish("log out", json!({})), (200, Some(String::new())));
    let late = store.request().commit(one, set("late", "1")).await;
    assert!(matches!(late, Err(Error::Ended)));
    let late = store.request().renew(other, set("late", "1")).await;
    assert!(matches!(late, Err(Error::Ended)));
    assert!(!exists(&redis, &own));
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_in_one_language_wins_every_race_with_the_other() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for round in 0..40 {
        let own = create(&store).await;
        let loaded = session(&store, &own).await;
        python.load(&own);
        let by_python = match round % 4 {
            0 | 1 => ("log out", json!({})),
            2 => ("keep", json!({"b": "1"})),
            _ => ("renew", json!({"b": "1"})),
        };
        let ending = spawn_blocking(move || {
            let finished = python.finish(by_python.0, by_python.1);
            (python, finished)
        });
        match round % 4 {
            0 => drop(store.request().commit(loaded, set("c", "1")).await),
            1 => drop(store.request().renew(loaded, set("c", "1")).await),
            _ => store.request().destroy(loaded).await.unwrap(),
        }
        let (back, (status, _)) = ending.await.unwrap();
        python = back;
        assert!(status == 200 || (status == 409 && round % 4 >= 2), "{status}");
        assert!(!exists(&redis, &own), "round {round} left a session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn superseded_id_logs_out_and_changes_nothing_in_either_language() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    for late in ["python", "rust"] {
        let old = create(&store).await;
        let in_flight = session(&store, &old).await;
        let mut other = Python::start(&redis, "20");
        other.load(&old);
        let new = if late == "python" {
            let renewed = store
                .request()
                .renew(session(&store, &old).await, Change::default())
                .await;
            renewed.unwrap().unwrap().delivered().expose().to_owned()
        } else {
            python.load(&old);
            python.finish("renew", json!({})).1.unwrap()
        };
        // a change that was in flight is kept, except a sign-in
        store
            .request()
            .commit(in_flight.clone(), set("rust", "1"))
            .await
            .unwrap();
        let refused = store.request().commit(in_flight, set("userid", "1")).await;
        assert!(matches!(refused, Err(Error::Superseded)));
        assert_eq!(other.finish("keep", json!({"python": "1"})), (200, None));
        assert_eq!(other.finish("keep", json!({"userid": "1"})), (409, None));
        for name in ["rust", "python"] {
            assert_eq!(field(&store, &new, name).await.as_deref(), Some("1"), "{name}");
        }
        // a request that comes with the old id
        assert_eq!(python.load(&old), ("superseded".to_owned(), json!({})));
        assert_eq!(python.finish("keep", json!({"late": "1"})), (409, None));
        assert_eq!(python.finish("keep", json!({})), (200, None));
        assert_eq!(field(&store, &new, "late").await, None);
        if late == "python" {
            assert_eq!(python.finish("log out", json!({})), (200, Some(String::new())));
        } else {
            let Loaded::Superseded(loaded) = load(&store, &old).await else {
                panic!("Python's renewal remembers no superseded id");
            };
            store.request().destroy(*loaded).await.unwrap();
        }
        assert!(!exists(&redis, &new));
        assert_eq!(python.load(&new).0, "missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_python_signed_in_is_listed_and_revoked() {
    let redis = RedisServer::start();
    let (registry, mut python) = (registry(&redis), Python::start(&redis, "20"));
    let user = "홍길동";
    let text = json!(user).to_string();
    let signed_out = python.create(json!({"cart": "1"}));
    python.load(&signed_out);
    let (_, renewed) = python.finish("renew", json!({"userid": text}));
    let renewed = renewed.unwrap();
    let created = python.create(json!({"userid": text}));
    let nobody = CurrentSession::default();
    let page = registry.list(user, &nobody, 0, 10).await.unwrap();
    assert_eq!(page.sessions.len(), 2);
    for listed in &page.sessions {
        assert_eq!(listed.device.as_deref(), Some("Python"));
        assert!(listed.created.unwrap().elapsed().unwrap() < Duration::from_secs(60));
    }
    // an index that expires with its last member
    let key: Vec<String> = redis.run(&["KEYS", "session:index:*"]);
    let left: i64 = redis.run(&["TTL", &key[0]]);
    assert!((86_000..=86_400).contains(&left), "{left}");

    python.load(&created);
    python.finish("log out", json!({}));
    assert_eq!(redis.run::<u64>(&["ZCARD", &key[0]]), 1, "the log-out left its member");
    python.load(&renewed);
    python.call(&json!(["finish", "keep", {"a": "1"}, "another device"]));
    let page = registry.list(user, &nobody, 0, 10).await.unwrap();
    assert_eq!(
        page.sessions[0].device.as_deref(),
        Some("Python"),
        "only a sign-in sets the device"
    );
    python.load(&renewed);
    assert_eq!(registry.revoke_all(user).await.unwrap(), 1);
    assert_eq!(python.finish("keep", json!({"late": "1"})), (409, None));
    assert!(!exists(&redis, &renewed));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_of_python_without_a_reply_keeps_the_old_id() {
    let redis = RedisServer::start();
    // long enough for a busy machine: a load that fails by it leaves nothing to renew
    let (store, mut python) = (store(&redis), Python::start(&redis, "3"));
    // the same user as text and as a number: a sign-in that the index has already, so that only the compare-and-set stalls
    for (user, signed_in, kept) in [
        ("\"7\"", json!({"userid": "7", "b": "1"}), None),
        ("7", json!({"b": "1"}), Some("1")),
    ] {
        let own = python.create(json!({"userid": user}));
        python.load(&own);
        redis.freeze();
        assert_eq!(python.finish("renew", signed_in), (503, None));
        redis.thaw();
        let settled = async {
            loop {
                // the new id, which is dead, is remembered as superseded
                let record: String = redis.run(&["GET", &key(&own)]);
                if record.contains("superseded") && load(&store, &own).await.session().is_some() {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), settled)
            .await
            .expect("the old id stayed dead");
        sleep(Duration::from_millis(500)).await;
        assert_eq!(field(&store, &own, "userid").await.as_deref(), Some(user));
        let b = field(&store, &own, "b").await;
        // Redis applies a command that arrived before the stall, also for a client that is gone
        assert_eq!(b.as_deref(), kept);
        assert_eq!(python.load(&own).0, "session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_refuses_what_the_library_refuses() {
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    let own = create(&store).await;
    python.load(&own);
    let large = format!("\"{}\"", "x".repeat(256 * 1024));
    assert_eq!(python.finish("keep", json!({"large": large})), (413, None));
    assert_eq!(field(&store, &own, "large").await, None);
    assert_eq!(python.finish("keep", json!({"_session": "{}"})), (500, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn user_who_stays_signed_in_does_so_in_both_languages() {
    const MONTH: u64 = 30 * 24 * 60 * 60;
    let redis = RedisServer::start();
    let (store, mut python) = (store(&redis), Python::start(&redis, "20"));
    let nobody = CurrentSession::default();
    for language in ["rust", "python"] {
        let text = json!(language).to_string();
        let sign_in = async |python: &mut Python, id: &str, remember: bool| {
            if language == "rust" {
                let change = set("userid", &text);
                let change = if remember { change.remembered() } else { change };
                let renewed = store.request().renew(session(&store, id).await, change).await;
                return renewed.unwrap().unwrap().delivered().expose().to_owned();
            }
            python.load(id);
            let reply = python.call(&json!(["finish", "renew", {"userid": text}, "Python", remember]));
            assert_eq!(reply[0], 200, "{reply}");
            reply[1].as_str().unwrap().to_owned()
        };
        let left = |id: &str| redis.run::<u64>(&["TTL", &key(id)]);
        let before = create(&store).await;
        let remembered = sign_in(&mut python, &before, true).await;
        assert_eq!((remembered.len(), remembered.ends_with('r')), (49, true));
        // neither loads with the right id, nor those with the old one
        for _ in 0..2 {
            assert_eq!(python.load(&remembered).0, "session");
            assert!((MONTH - 60..=MONTH).contains(&left(&remembered)));
            assert_eq!(python.load(&before).0, "superseded");
            assert!((MONTH - 60..=MONTH).contains(&left(&remembered)));
            assert!(matches!(load(&store, &before).await, Loaded::Superseded(_)));
            assert!((MONTH - 60..=MONTH).contains(&left(&remembered)));
            assert!(matches!(load(&store, &remembered).await, Loaded::Session(_)));
        }
        // nor a change of the other language
        store
            .request()
            .commit(session(&store, &remembered).await, set("rust", "1"))
            .await
            .unwrap();
        python.load(&remembered);
        assert_eq!(python.finish("keep", json!({"python": "1"})), (200, None));
        assert!((MONTH - 60..=MONTH).contains(&left(&remembered)));
        let page = registry(&redis).list(language, &nobody, 0, 10).await.unwrap();
        assert!(page.sessions[0].remembered);
        // a plain renewal of the other language keeps it, and a sign-in without the box ends it
        python.load(&remembered);
        let renewed = python.finish("renew", json!({})).1.unwrap();
        assert_eq!(renewed.len(), 49);
        let ordinary = sign_in(&mut python, &renewed, false).await;
        assert_eq!(ordinary.len(), 48);
        for _ in 0..2 {
            assert_eq!(python.load(&renewed).0, "superseded");
            assert!(left(&ordinary) <= 3600);
            assert!(matches!(load(&store, &renewed).await, Loaded::Superseded(_)));
            assert!(left(&ordinary) <= 3600);
        }
        let page = registry(&redis).list(language, &nobody, 0, 10).await.unwrap();
        assert!(!page.sessions[0].remembered);
    }
    // a session that Python begins
    python.load("");
    let reply = python.call(&json!(["finish", "keep", {"userid": "7"}, "Python", true]));
    let begun = reply[1].as_str().unwrap();
    assert!(id(&store, begun).is_remembered());
    assert!(matches!(load(&store, begun).await, Loaded::Session(_)));
}
