//! The program: what it refuses to start with, what it logs, how it ends, and its health check.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use service_kit::testing::browser;
use service_kit::testing::reqwest::header::HeaderValue;
use shared_session::testing::redis_server::RedisServer;

fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-service"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    program(arguments, variables).output().unwrap()
}

/// One line on the standard error stream, and a status that is not 0.
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("error: ") && text.ends_with('\n'), "{text}");
    assert!(output.stdout.is_empty());
    text
}

/// The program as it serves: ended by force if the test does not end it.
struct Serving {
    child: Child,
    logs: BufReader<ChildStderr>,
    /// What was logged up to the address.
    first: String,
    address: String,
}

impl Serving {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program(&[&["--bind", "127.0.0.1:0"], arguments].concat(), variables);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut logs = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        let address = loop {
            let start = first.len();
            assert_ne!(logs.read_line(&mut first).unwrap(), 0, "no address in {first}");
            if let Some((_, address)) = first[start..].split_once("address=") {
                break address.split_whitespace().next().unwrap().to_owned();
            }
        };
        Self {
            child,
            logs,
            first,
            address,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it as a container engine does, and returns all that was logged.
    fn terminate(mut self) -> String {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let mut text = std::mem::take(&mut self.first);
        self.logs.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "{text}");
        text
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_wrong_variable_is_told_in_one_line_that_names_it() {
    for (variable, value, option) in [
        ("BIND", "localhost", "--bind"),
        ("BIND", "127.0.0.1", "--bind"),
        ("BIND", "127.0.0.1:99999", "--bind"),
        ("BIND", "", "--bind"),
        ("LOG_FORMAT", "xml", "--log-format"),
        ("LOG_LEVEL", "inof", "--log-level"),
        ("LOG_LEVEL", "a=b=c", "--log-level"),
        ("SHUTDOWN_TIMEOUT", "soon", "--shutdown-timeout"),
        ("SESSION_STORE", "foo://:hunter2@host", "--session-store"),
        ("SESSION_STORE", "redis://:hunter2@host:port", "--session-store"),
        ("SESSION_STORE", "hunter2", "--session-store"),
        ("SESSION_TTL", "1 fortnight", "--session-ttl"),
        ("SESSION_LIFETIME", "forever", "--session-lifetime"),
        ("SESSION_STORE_TIMEOUT", "500", "--session-store-timeout"),
        ("SESSION_FORMAT", "xml", "--session-format"),
        ("SESSION_COOKIE_SECURE", "perhaps", "--session-cookie-secure"),
        ("SESSION_COOKIE_NAME", "a b", "--session-cookie-name"),
    ] {
        let line = refused(&run(&[], &[(variable, value)]));
        assert!(line.starts_with(&format!("error: {option} ({variable}): ")), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn so_is_one_that_is_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    for variable in ["BIND", "LOG_LEVEL", "SESSION_STORE"] {
        let mut command = program(&[], &[]);
        let line = refused(&command.env(variable, OsStr::from_bytes(b"\xff")).output().unwrap());
        assert!(line.contains(variable), "{line}");
    }
}

#[test]
fn a_wrong_command_line_is_told_in_one_line_too() {
    for (arguments, told) in [
        (&["--bind", "x"][..], "--bind (BIND)"),
        (&["--bind"], "--bind (BIND)"),
        (&["--bind=[::1]:0", "--bind=[::1]:0"], "--bind (BIND)"),
        (&["--log-format", ""], "--log-format (LOG_FORMAT)"),
        (&["--blind", "x"], "--blind"),
        (&["redis://:hunter2@host"], "subcommand"),
    ] {
        let line = refused(&run(arguments, &[]));
        assert!(line.contains(told), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refused(&run(&[], &[("BIND", &address)]));
    assert!(line.contains("--bind (BIND)") && line.contains(&address), "{line}");
}

#[test]
fn help_is_the_manual_and_shows_no_values() {
    let output = run(
        &["--help"],
        &[("SESSION_STORE", "redis://:hunter2@host"), ("LOG_LEVEL", "trace")],
    );
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for variable in [
        "BIND",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "SHUTDOWN_TIMEOUT",
        "SESSION_STORE",
        "SESSION_TTL",
    ] {
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}: {help}");
    }
    assert!(
        help.contains("127.0.0.1:8081") && help.contains("healthcheck"),
        "{help}"
    );
    assert!(!help.contains("hunter2"), "{help}");

    let output = run(&["--version"], &[]);
    let version = concat!("user-service ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
}

#[actix_web::test]
async fn visits_are_not_logged_whatever_their_cookies_are() {
    let serving = Serving::start(&[], &[]);
    let long = format!("sid={}", "a".repeat(8 * 1024));
    let cookies: [&[u8]; 6] = [
        b"sid=0123456789012345678901234567890123456789",
        b"sid=wrong-alphabet; sid=twice",
        b"sid=\xff\xfe\x80",
        b"sid",
        b"; ;=;",
        long.as_bytes(),
    ];
    for cookie in cookies {
        for path in ["/user/", "/user/nothing", "/user/style.css", "/healthz"] {
            let visit = browser().get(serving.url(path));
            let response = visit
                .header("Cookie", HeaderValue::from_bytes(cookie).unwrap())
                .send()
                .await
                .unwrap();
            assert!(!response.headers().contains_key("set-cookie"));
            assert_eq!(response.status(), if path == "/user/nothing" { 404 } else { 200 });
        }
    }
    let logs = serving.terminate();
    assert_eq!(logs.lines().count(), 3, "{logs}");
    for line in [
        "user-service listens",
        "sessions are in the memory of this process",
        "stopped",
    ] {
        assert!(logs.contains(line), "{logs}");
    }
}

#[actix_web::test]
async fn secrets_are_not_logged_even_where_everything_is() {
    let serving = Serving::start(&["--log-level", "debug"], &[]);
    let browser = browser();
    let set = browser
        .get(serving.url("/user/redis_session_set"))
        .send()
        .await
        .unwrap();
    let cookie = set.headers()["set-cookie"].to_str().unwrap().to_owned();
    let id = cookie.split(['=', ';']).nth(1).unwrap();
    let visit = browser
        .get(serving.url("/user/?token=hunter2"))
        .header("X-Request-Id", "the-request");
    assert_eq!(visit.send().await.unwrap().status(), 200);
    let logs = serving.terminate();
    assert!(
        logs.contains("request_id=\"the-request\"") && logs.contains("/user/"),
        "{logs}"
    );
    assert!(
        !logs.contains("hunter2") && !logs.contains(id) && !logs.contains("홍길동"),
        "{logs}"
    );
}

#[actix_web::test]
async fn what_people_type_is_not_logged_even_where_everything_is() {
    let redis = RedisServer::start();
    let url = redis.url();
    for store in ["memory:", url.as_str()] {
        let level = "debug,user_service=trace,service_kit=trace,shared_session=trace,redis=trace";
        let serving = Serving::start(&["--log-level", level, "--session-store", store], &[]);
        let browser = browser();
        let post = async |path: &str, body: &'static str, status: u16| {
            let post = browser.post(serving.url(path)).body(body);
            let post = post.header("content-type", "application/x-www-form-urlencoded");
            let answer = post.header("sec-fetch-site", "same-origin").send().await.unwrap();
            assert_eq!(answer.status(), status, "{body}");
        };
        let register = "id=hunter-id&name=hunter-name&password=hunter-password";
        post("/user/register", "id=hunter-id&name=hunter-name&password=hunter", 422).await;
        post("/user/register", register, 303).await;
        post("/user/register", register, 409).await;
        post("/user/login", "id=hunter-id&password=hunter-wrong", 401).await;
        post("/user/login", "id=hunter-nobody&password=hunter-wrong", 401).await;
        post("/user/login", "id=hunter-id&password=hunter-password&next=/hunter", 303).await;
        post("/user/password", "current=hunter-wrong&new=hunter-password-2", 401).await;
        post("/user/password", "current=hunter-password&new=hunter-password-2", 303).await;
        post("/user/sessions/revoke", "handle=hunter", 404).await;
        post("/user/register", "id=hunter&id=hunter", 400).await;
        if store == url {
            let () = redis.run(&["SET", "user:account:hunter-id", "{\"name\":\"hunter\"}"]);
            post("/user/login", "id=hunter-id&password=hunter-password-2", 500).await;
            let () = redis.run(&["DEL", "user:account:hunter-id"]);
            let _: u64 = redis.run(&["LPUSH", "user:account:hunter-id", "hunter"]);
            post("/user/login", "id=hunter-id&password=hunter-password-2", 503).await;
        }
        let logs = serving.terminate();
        assert!(
            logs.contains("/user/password") && logs.contains("request handled"),
            "{logs}"
        );
        assert!(!logs.contains("hunter") && !logs.contains("argon2id"), "{logs}");
    }
}

#[actix_web::test]
async fn logs_are_json_where_that_is_asked_for() {
    let variables = [("LOG_FORMAT", "json"), ("BIND", "127.0.0.1:0")];
    let mut child = program(&[], &variables).stderr(Stdio::piped()).spawn().unwrap();
    let mut logs = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = logs.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("{\"timestamp\":\"") && line.ends_with('}'), "{line}");
    assert!(
        line.contains("\"message\":\"user-service listens\"") && line.contains("\"level\":\"INFO\""),
        "{line}"
    );
}

#[test]
fn a_health_check_asks_the_running_service() {
    let serving = Serving::start(&[], &[]);
    let everywhere = serving.address.replace("127.0.0.1", "0.0.0.0");
    for bind in [&serving.address, &everywhere] {
        let output = run(&["healthcheck"], &[("BIND", bind)]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    let line = refused(&run(&["healthcheck"], &[("BIND", "127.0.0.1:1")]));
    assert!(line.contains("127.0.0.1:1"), "{line}");
}

#[test]
fn a_health_check_is_not_fooled_by_another_program() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        for answer in ["HTTP/1.1 404 Not Found\r\n\r\n", "SSH-2.0-OpenSSH_10.0\r\n", ""] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            while !request.next().unwrap().unwrap().is_empty() {}
            std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
        }
    });
    for _ in 0..3 {
        refused(&run(&["healthcheck", "--bind", &address], &[]));
    }
    other.join().unwrap();
}
