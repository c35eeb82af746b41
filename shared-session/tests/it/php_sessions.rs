//! One session for PHP and Rust: PHP's own session code, with a plain save handler and with that of phpredis, a process of
//! `examples/fields.rs`, and one Redis.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use shared_session::{CurrentSession, Format, Registry, SessionManager, Settings};
use shared_session_testkit::servers::{Exit, Port, RedisServer, ServerProcess, start_again};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::process::Service;

/// How PHP stores its sessions.
#[derive(Clone, Copy, Debug)]
struct Storage {
    /// `session.serialize_handler`, and `SESSION_FORMAT`.
    format: &'static str,
    /// Whether PHP uses the save handler of phpredis, or one that consists of GET, SETEX and DEL.
    phpredis: bool,
    locking: bool,
}

const STORAGES: [Storage; 4] = [
    Storage {
        format: "php",
        phpredis: false,
        locking: false,
    },
    Storage {
        format: "php_serialize",
        phpredis: false,
        locking: false,
    },
    Storage {
        format: "php",
        phpredis: true,
        locking: true,
    },
    Storage {
        format: "php_serialize",
        phpredis: true,
        locking: false,
    },
];

/// PHP's development server with `php_app.php`.
struct Php {
    process: ServerProcess,
    address: String,
    _port: Port,
}

impl Php {
    fn start(redis: &RedisServer, storage: Storage) -> Self {
        start_again(|| Self::try_start(redis, storage))
    }

    fn try_start(redis: &RedisServer, storage: Storage) -> Result<Self, Exit> {
        let port = Port::reserve();
        let address = format!("127.0.0.1:{}", port.number());
        let mut settings = vec![
            format!("session.serialize_handler={}", storage.format),
            "serialize_precision=-1".to_owned(),
            "display_errors=1".to_owned(),
        ];
        if storage.phpredis {
            settings.push("session.save_handler=redis".to_owned());
            settings.push(format!("session.save_path=tcp://127.0.0.1:{}", redis.port()));
            settings.push(format!("redis.session.locking_enabled={}", u8::from(storage.locking)));
            settings.push("redis.session.lock_wait_time=20000".to_owned());
            settings.push("redis.session.lock_retries=500".to_owned());
        }
        let mut command = Command::new("php");
        command
            .args(settings.iter().flat_map(|setting| ["-d", setting]))
            .args([
                "-S",
                &address,
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/php_app.php"),
            ])
            .env("HANDLER", if storage.phpredis { "redis" } else { "user" })
            .env("REDIS_PORT", redis.port().to_string())
            .env("PHP_CLI_SERVER_WORKERS", "6")
            .process_group(0);
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("php-{}", port.number()));
        let process = ServerProcess::start(&mut command, &log, "on Debian: apt-get install php-cli php-redis");
        let php = Self {
            process,
            address,
            _port: port,
        };
        php.process.wait_until(|output| output.contains(") started"))?;
        Ok(php)
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // its workers are in its process group
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
    }
}

struct Stack {
    storage: Storage,
    php: Php,
    rust: Service,
    redis: RedisServer,
    client: Client,
}

/// A response's status and body, and the id in its cookie, which is empty if the cookie is removed.
struct Response {
    status: StatusCode,
    body: String,
    id: Option<String>,
}

impl Stack {
    fn start(storage: Storage) -> Self {
        let redis = RedisServer::start();
        // long, so that no test fails because the machine is busy
        let mut settings = vec![("SESSION_FORMAT", storage.format), ("SESSION_STORE_TIMEOUT", "20s")];
        if storage.phpredis {
            settings.push(("SESSION_KEY_PREFIX", "PHPREDIS_SESSION:"));
        }
        Self {
            storage,
            php: Php::start(&redis, storage),
            rust: Service::start(&redis.url(), &settings),
            redis,
            client: Client::new(),
        }
    }

    fn send(&self, method: Method, url: String, id: Option<&str>) -> impl Future<Output = Response> + use<> {
        let mut request = self.client.request(method, url);
        if let Some(id) = id {
            request = request.header("cookie", format!("PHPSESSID={id}"));
        }
        async move {
            let response = request.send().await.unwrap();
            let cookie = response
                .headers()
                .get("set-cookie")
                .map(|cookie| cookie.to_str().unwrap().to_owned());
            let id = cookie
                .as_deref()
                .and_then(|cookie| cookie.strip_prefix("PHPSESSID=")?.split(';').next());
            let id = id.map(str::to_owned);
            Response {
                status: response.status(),
                body: response.text().await.unwrap(),
                id,
            }
        }
    }

    fn php(&self, path: &str, id: Option<&str>) -> impl Future<Output = Response> + use<> {
        self.send(Method::GET, format!("http://{}/{path}", self.php.address), id)
    }

    fn rust(&self, method: Method, path: &str, id: Option<&str>) -> impl Future<Output = Response> + use<> {
        self.send(method, format!("http://{}/{path}", self.rust.address), id)
    }

    /// Returns the registry of another service.
    fn registry(&self) -> Registry {
        let format = match self.storage.format {
            "php" => Format::Php,
            _ => Format::PhpSerialize,
        };
        let prefix = if self.storage.phpredis {
            "PHPREDIS_SESSION:"
        } else {
            "session:"
        };
        let settings = Settings::default()
            .with_store(&self.redis.url())
            .and_then(|settings| settings.with_key_prefix(prefix))
            .and_then(|settings| settings.with_store_timeout(Duration::from_secs(20)))
            .map(|settings| settings.with_format(format));
        SessionManager::new(&settings.unwrap()).unwrap().registry()
    }

    /// Returns a field as PHP reads it, in JSON.
    async fn in_php(&self, id: &str, name: &str) -> String {
        self.php(&format!("get/{name}"), Some(id)).await.body
    }

    /// Returns a field as Rust reads it, in JSON.
    async fn in_rust(&self, id: &str, name: &str) -> Option<String> {
        let response = self.rust(Method::GET, "", Some(id)).await;
        assert_eq!(response.status, StatusCode::OK, "{:?}: {}", self.storage, response.body);
        let fields: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        fields.get(name).map(|value| value.as_str().unwrap().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn php_and_rust_read_what_the_other_writes() {
    for storage in STORAGES {
        let stack = Stack::start(storage);
        let id = stack.php("set/name=홍길동", None).await.id.unwrap();
        assert_eq!(stack.in_rust(&id, "name").await.unwrap(), "\"홍길동\"", "{storage:?}");
        let change = stack.rust(Method::PUT, "city/Seoul", Some(&id)).await;
        assert_eq!(
            (change.status, change.id),
            (StatusCode::OK, None),
            "the change did not go to PHP's session"
        );
        assert_eq!(stack.in_php(&id, "city").await, "\"Seoul\"", "{storage:?}");
        stack.rust(Method::DELETE, "name", Some(&id)).await;
        assert_eq!(stack.in_php(&id, "name").await, "null");

        let id = stack.rust(Method::PUT, "name/kky", None).await.id.unwrap();
        assert_eq!(stack.in_php(&id, "name").await, "\"kky\"", "{storage:?}");
        assert_eq!(stack.php("set/more=1", Some(&id)).await.status, StatusCode::OK);
        assert_eq!(stack.in_rust(&id, "more").await.unwrap(), "\"1\"");
        assert_eq!(stack.in_rust(&id, "name").await.unwrap(), "\"kky\"");
        assert!(!stack.redis.run::<Vec<String>>(&["KEYS", "*"]).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_and_renewal_take_effect_in_both() {
    for storage in STORAGES {
        let stack = Stack::start(storage);
        let id = stack.rust(Method::PUT, "name/kky", None).await.id.unwrap();
        stack.php("logout", Some(&id)).await;
        assert_eq!(stack.in_rust(&id, "name").await, None, "{storage:?}: PHP's log-out");

        let id = stack.php("set/name=kky", None).await.id.unwrap();
        let log_out = stack.rust(Method::DELETE, "", Some(&id)).await;
        assert_eq!((log_out.status, log_out.id.as_deref()), (StatusCode::OK, Some("")));
        assert_eq!(stack.in_php(&id, "name").await, "null", "{storage:?}: Rust's log-out");

        let old = stack.php("set/name=kky", None).await.id.unwrap();
        let new = stack.rust(Method::POST, "renew", Some(&old)).await.id.unwrap();
        assert_eq!(
            stack.in_php(&new, "name").await,
            "\"kky\"",
            "{storage:?}: Rust's renewal"
        );
        assert_eq!(
            stack.in_php(&old, "name").await,
            "null",
            "{storage:?}: PHP accepts the old id"
        );
        assert_eq!(stack.in_rust(&old, "name").await, None);
    }
}

/// PHP reads values that JSON cannot express as it wrote them, after Rust changed another field.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_only_php_understands_survive_changes_by_rust() {
    for storage in STORAGES {
        let stack = Stack::start(storage);
        let id = stack.php("store", None).await.id.unwrap();
        for path in ["other/1", "other/2", "first/x"] {
            assert_eq!(stack.rust(Method::PUT, path, Some(&id)).await.status, StatusCode::OK);
        }
        assert_eq!(stack.php("check", Some(&id)).await.body, "equal", "{storage:?}");
        stack.rust(Method::DELETE, "keys", Some(&id)).await;
        stack.rust(Method::PUT, "keys/gone", Some(&id)).await;
        assert_eq!(
            stack.php("check", Some(&id)).await.body,
            "keys is different",
            "the check does not notice a change"
        );
        let class = stack.in_rust(&id, "object").await.unwrap();
        assert!(class.contains(r#""class":"User""#), "{class}");
    }
}

/// Rust makes 300 changes, 20 at a time, while PHP reads: no change is lost, and PHP can read the record at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn rust_loses_no_change_while_php_reads() {
    for storage in STORAGES {
        let stack = Arc::new(Stack::start(storage));
        let id = stack.php("store", None).await.id.unwrap();
        let slots = Arc::new(Semaphore::new(20));
        let mut changes = JoinSet::new();
        for number in 0..300 {
            let change = stack.rust(Method::PUT, &format!("field{number}/{number}"), Some(&id));
            let slots = slots.clone();
            changes.spawn(async move {
                let _slot = slots.acquire().await.unwrap();
                change.await.status
            });
        }
        let mut reads = 0;
        while !changes.is_empty() {
            assert_eq!(
                stack.php("check", Some(&id)).await.body,
                "equal",
                "{storage:?}: PHP could not read"
            );
            reads += 1;
            while let Some(status) = changes.try_join_next() {
                assert_eq!(status.unwrap(), StatusCode::OK);
            }
        }
        assert!(reads > 1);
        let names: Vec<String> = serde_json::from_str(&stack.php("names", Some(&id)).await.body).unwrap();
        let fields = names.iter().filter(|name| name.starts_with("field")).count();
        assert_eq!(fields, 300, "{storage:?}");
        assert_eq!(stack.in_rust(&id, "field299").await.unwrap(), "\"299\"");
    }
}

/// A session of a user who signed in with PHP is listed after Rust's next change, also if PHP gave the session a new id.
/// A session that Rust revokes ends in PHP.
#[tokio::test(flavor = "multi_thread")]
async fn php_sign_ins_are_listed_and_revoked() {
    for storage in STORAGES {
        let stack = Stack::start(storage);
        let registry = stack.registry();
        let listed = async || {
            let page = registry.list("kky", &CurrentSession::default(), 0, 10).await.unwrap();
            page.sessions
        };
        let id = stack.php("set/userid=kky", None).await.id.unwrap();
        assert!(listed().await.is_empty(), "a session is listed before Rust changed it");
        assert_eq!(stack.rust(Method::PUT, "a/1", Some(&id)).await.status, StatusCode::OK);
        assert_eq!(listed().await.len(), 1, "{storage:?}");
        // PHP keeps the metadata that Rust stored in the record
        stack.php("set/b=2", Some(&id)).await;
        assert_eq!(stack.in_rust(&id, "b").await.unwrap(), "\"2\"");
        assert_eq!(listed().await.len(), 1);

        let new = stack.php("regenerate", Some(&id)).await.id.unwrap();
        assert_ne!(new, id);
        stack.rust(Method::PUT, "a/2", Some(&new)).await;
        assert_eq!(listed().await.len(), 1, "{storage:?}: PHP's session_regenerate_id");
        let renewed = stack.rust(Method::POST, "renew", Some(&new)).await.id.unwrap();
        let other = stack.rust(Method::PUT, "userid/kky", None).await.id.unwrap();
        let sessions = listed().await;
        assert_eq!(sessions.len(), 2);

        assert!(registry.revoke("kky", &sessions[0].handle).await.unwrap());
        let held = [&renewed, &other].map(|id| stack.in_php(id, "userid"));
        let held = futures_util::future::join_all(held).await;
        assert_eq!(
            held.iter().filter(|text| *text == "null").count(),
            1,
            "{storage:?}: {held:?}"
        );
        assert_eq!(registry.revoke_all("kky").await.unwrap(), 1);
        for id in [&renewed, &other] {
            assert_eq!(
                stack.in_php(id, "userid").await,
                "null",
                "{storage:?}: PHP accepts a revoked session"
            );
            assert_eq!(stack.in_rust(id, "userid").await, None);
        }
    }
}

/// Makes two changes by two concurrent PHP requests, and returns how many of them the session holds afterwards.
async fn concurrent_changes_in_php(stack: &Stack) -> usize {
    let id = stack.php("set/name=kky", None).await.id.unwrap();
    let (one, other) = tokio::join!(stack.php("slow/one", Some(&id)), stack.php("slow/other", Some(&id)));
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    let names: Vec<String> = serde_json::from_str(&stack.php("names", Some(&id)).await.body).unwrap();
    names
        .iter()
        .filter(|name| ["one", "other"].contains(&name.as_str()))
        .count()
}

/// Checks what the documentation says about a PHP request that writes, with and without phpredis's locking.
#[tokio::test(flavor = "multi_thread")]
async fn a_php_request_that_writes_replaces_the_record() {
    let phpredis = |locking| Storage {
        format: "php",
        phpredis: true,
        locking,
    };
    // two PHP requests: without locking the one that ends last wins, and with locking they run one after the other. Requests
    // on the same worker of the server do so too, so the first case is tried again
    let stack = Stack::start(phpredis(false));
    let mut tries = 0;
    while concurrent_changes_in_php(&stack).await == 2 {
        tries += 1;
        assert!(tries < 20, "without locking PHP lost no change");
    }
    let stack = Stack::start(phpredis(true));
    for _ in 0..3 {
        assert_eq!(
            concurrent_changes_in_php(&stack).await,
            2,
            "with locking PHP lost a change"
        );
    }
    // Rust and a PHP request that writes: PHP restores the fields that it read, with and without locking
    for locking in [false, true] {
        let stack = Stack::start(phpredis(locking));
        let id = stack.php("set/name=kky", None).await.id.unwrap();
        let slow = tokio::spawn(stack.php("slow/one", Some(&id)));
        sleep(Duration::from_millis(300)).await;
        let change = stack.rust(Method::PUT, "rust/1", Some(&id)).await;
        assert_eq!(change.status, StatusCode::OK);
        slow.await.unwrap();
        assert_eq!(stack.in_rust(&id, "rust").await, None, "locking {locking}");
        // the next request of each reads what the other wrote
        stack.rust(Method::PUT, "rust/2", Some(&id)).await;
        stack.php("set/two=2", Some(&id)).await;
        assert_eq!(stack.in_rust(&id, "rust").await.unwrap(), "\"2\"");
    }
    // Rust and a PHP request that changes nothing: phpredis does not write an unchanged record
    let stack = Stack::start(phpredis(true));
    let id = stack.php("set/name=kky", None).await.id.unwrap();
    let looks = tokio::spawn(stack.php("look", Some(&id)));
    sleep(Duration::from_millis(150)).await;
    stack.rust(Method::PUT, "rust/1", Some(&id)).await;
    looks.await.unwrap();
    assert_eq!(stack.in_rust(&id, "rust").await.unwrap(), "\"1\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_php_with_the_reserved_name_is_an_error_and_stays() {
    for storage in STORAGES {
        let stack = Stack::start(storage);
        for value in [r#"{"theme":"dark"}"#, r#"["a","b"]"#, "[]", r#""text""#, "7"] {
            let id = stack.php("set/name=kky", None).await.id.unwrap();
            stack.php(&format!("reserved/{value}"), Some(&id)).await;
            let prefix = if storage.phpredis {
                "PHPREDIS_SESSION:"
            } else {
                "session:"
            };
            let record = || stack.redis.run::<Vec<u8>>(&["GET", &format!("{prefix}{id}")]);
            let before = record();
            assert!(before.windows(8).any(|window| window == b"_session"));
            for (method, path) in [
                (Method::GET, ""),
                (Method::PUT, "city/Seoul"),
                (Method::POST, "renew"),
                (Method::DELETE, ""),
            ] {
                let response = stack.rust(method.clone(), path, Some(&id)).await;
                assert_eq!(
                    response.status,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "{storage:?}: {method} with {value}"
                );
                assert_eq!(response.id, None, "{method} changed the cookie");
            }
            assert_eq!(record(), before, "{storage:?}: {value}");
            assert_eq!(stack.in_php(&id, "_session").await, value);
        }
    }
}
