//! Tests the program: invalid options, logs, graceful stop, and the health check.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actix_web::rt::spawn;
use actix_web::rt::time::sleep;

use service_kit::testing::browser;
use service_kit::testing::reqwest::header::HeaderValue;
use shared_session_testkit::servers::RedisServer;

use crate::program::{Process, error_line, program, run};

#[test]
fn invalid_variable_fails_with_one_line_that_names_it() {
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
        ("SESSION_STORE", "redis-sentinel://:hunter2@h1:26379", "--session-store"),
        (
            "SESSION_STORE",
            "redis-sentinel://:hunter2@h1/mymaster/0",
            "--session-store",
        ),
        (
            "SESSION_STORE",
            "redis-sentinel://h1:1,rediss://:hunter2@h2:2/mymaster",
            "--session-store",
        ),
        ("SESSION_STORE", "redis-cluster://:hunter2@h1:6379/1", "--session-store"),
        ("SESSION_STORE_REPLICAS", "some", "--session-store-replicas"),
        ("SESSION_TTL", "1 fortnight", "--session-ttl"),
        ("SESSION_LIFETIME", "forever", "--session-lifetime"),
        ("SESSION_STORE_TIMEOUT", "500", "--session-store-timeout"),
        ("SESSION_FORMAT", "xml", "--session-format"),
        ("SESSION_COOKIE_SECURE", "perhaps", "--session-cookie-secure"),
        ("SESSION_COOKIE_NAME", "a b", "--session-cookie-name"),
        ("SESSION_COOKIE_DOMAIN", "a b", "--session-cookie-domain"),
        ("SESSION_COOKIE_PATH", "app", "--session-cookie-path"),
        ("SESSION_COOKIE_SAME_SITE", "Lax", "--session-cookie-same-site"),
        ("SESSION_COOKIE_LIFETIME", "1h", "--session-cookie-lifetime"),
    ] {
        let line = error_line(&run(&[], &[(variable, value)]));
        assert!(line.starts_with(&format!("error: {option} ({variable}): ")), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn invalid_address_says_how_to_write_it() {
    for (value, written) in [
        (
            "8080",
            "the address is missing; write it as 127.0.0.1:8080, or 0.0.0.0:8080 for",
        ),
        (
            ":80",
            "the address is missing; write it as 127.0.0.1:80, or 0.0.0.0:80 for",
        ),
        ("localhost:8080", "write it as 127.0.0.1:8080 or [::1]:8080"),
        ("127.0.0.1", "write it as 127.0.0.1:8080 or [::1]:8080"),
    ] {
        let line = error_line(&run(&[], &[("BIND", value)]));
        assert!(line.contains(written), "{line}");
    }
}

#[test]
fn unknown_variable_of_the_sessions_is_logged_with_the_nearest_name() {
    let variables = [
        ("SESSION_STOER", "redis://:hunter2@host"),
        ("SESSION_SECRET", "hunter2"),
        ("SESSION_MANAGER", "local/desktop"),
    ];
    let log = Process::start(&[], &variables).terminate();
    for text in [
        "unknown variable SESSION_STOER is ignored: did you mean SESSION_STORE?",
        "unknown variable SESSION_SECRET is ignored: shared-session has no such setting",
    ] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(text)).collect();
        assert!(lines.len() == 1 && lines[0].contains("WARN"), "{log}");
    }
    assert!(!log.contains("SESSION_MANAGER") && !log.contains("hunter2"), "{log}");
}

#[test]
fn cookie_attributes_that_contradict_each_other_fail_before_the_port_is_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (variable, attributes) in [
        (
            "SESSION_COOKIE_NAME",
            [("SESSION_COOKIE_NAME", "__Host-sid"), ("SESSION_COOKIE_PATH", "/user")],
        ),
        (
            "SESSION_COOKIE_SAME_SITE",
            [("SESSION_COOKIE_SAME_SITE", "none"), ("SESSION_COOKIE_SECURE", "never")],
        ),
    ] {
        let variables = [&attributes[..], &[("BIND", &address)]].concat();
        let line = error_line(&run(&[], &variables));
        assert!(line.contains(&format!("({variable}): ")), "{line}");
    }
}

#[test]
fn settings_that_do_not_fit_the_store_fail_before_the_port_is_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (server, cluster) = ("redis://:hunter2@h1", "redis-cluster://:hunter2@h1");
    for (store, variable, value) in [
        (cluster, "SESSION_STORE_REPLICAS", "1"),
        (cluster, "SESSION_STORE_SENTINEL_PASSWORD_FILE", "/missing"),
        (server, "SESSION_STORE_SENTINEL_PASSWORD_FILE", "/missing"),
        ("redis://h1", "SESSION_STORE_PASSWORD_FILE", "/missing"),
        (server, "SESSION_STORE_CA_FILE", "/missing"),
        ("rediss://:hunter2@h1", "SESSION_STORE_CA_FILE", "/missing"),
        (server, "SESSION_STORE_CERT_FILE", "/missing"),
        (server, "SESSION_STORE_KEY_FILE", "/missing"),
    ] {
        let variables = [("SESSION_STORE", store), (variable, value), ("BIND", &address)];
        let line = error_line(&run(&[], &variables));
        assert!(line.contains(&format!("({variable}): ")), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn variable_that_is_not_unicode_fails_with_one_line_that_names_it() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    for variable in ["BIND", "LOG_LEVEL", "SESSION_STORE"] {
        let mut command = program(&[], &[]);
        let line = error_line(&command.env(variable, OsStr::from_bytes(b"\xff")).output().unwrap());
        assert!(line.contains(variable), "{line}");
    }
}

#[test]
fn invalid_command_line_fails_with_one_line() {
    for (arguments, expected) in [
        (&["--bind", "x"][..], "--bind (BIND)"),
        (&["--bind"], "--bind (BIND)"),
        (&["--bind=[::1]:0", "--bind=[::1]:0"], "--bind (BIND)"),
        (&["--log-format", ""], "--log-format (LOG_FORMAT)"),
        (&["--blind", "x"], "--blind"),
        (&["redis://:hunter2@host"], "subcommand"),
    ] {
        let line = error_line(&run(arguments, &[]));
        assert!(line.contains(expected), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn occupied_port_fails_with_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let line = error_line(&run(&[], &[("BIND", &address)]));
    assert!(line.contains("--bind (BIND)") && line.contains(&address), "{line}");
}

#[test]
fn help_names_every_variable_and_shows_no_value() {
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
async fn requests_are_not_logged_at_the_default_level() {
    let process = Process::start(&[], &[]);
    let long = format!("sid={}", "a".repeat(8 * 1024));
    let cookies: [&[u8]; 6] = [
        b"sid=012345678901234567890123456789012345678901234567",
        b"sid=wrong-alphabet; sid=twice",
        b"sid=\xff\xfe\x80",
        b"sid",
        b"; ;=;",
        long.as_bytes(),
    ];
    for cookie in cookies {
        for path in ["/user/", "/user/nothing", "/user/style.css", "/healthz"] {
            let request = browser().get(process.url(path));
            let response = request
                .header("Cookie", HeaderValue::from_bytes(cookie).unwrap())
                .send()
                .await
                .unwrap();
            assert!(!response.headers().contains_key("set-cookie"));
            assert_eq!(response.status(), if path == "/user/nothing" { 404 } else { 200 });
        }
    }
    let logs = process.terminate();
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
async fn session_secrets_are_not_logged_at_any_level() {
    let process = Process::start(&["--log-level", "debug"], &[]);
    let browser = browser();
    let set = browser
        .get(process.url("/user/redis_session_set"))
        .send()
        .await
        .unwrap();
    let cookie = set.headers()["set-cookie"].to_str().unwrap().to_owned();
    let id = cookie.split(['=', ';']).nth(1).unwrap();
    let request = browser
        .get(process.url("/user/?token=hunter2"))
        .header("X-Request-Id", "the-request");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let logs = process.terminate();
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
async fn form_input_is_not_logged_at_any_level() {
    let redis = RedisServer::start();
    let url = redis.url();
    for store in ["memory:", url.as_str()] {
        let level = "debug,user_service=trace,service_kit=trace,shared_session=trace,redis=trace";
        let process = Process::start(&["--log-level", level, "--session-store", store], &[]);
        let browser = browser();
        let post = async |path: &str, body: &'static str, status: u16| {
            let post = browser.post(process.url(path)).body(body);
            let post = post.header("content-type", "application/x-www-form-urlencoded");
            let response = post.header("sec-fetch-site", "same-origin").send().await.unwrap();
            assert_eq!(response.status(), status, "{body}");
        };
        let register = "id=hunter-id&name=hunter-name&password=hunter-password";
        post("/user/register", "id=hunter-id&name=hunter-name&password=hunter", 422).await;
        post("/user/register", register, 303).await;
        post("/user/delete", "password=hunter-wrong", 401).await;
        post("/user/logout", "", 303).await;
        post("/user/register", register, 409).await;
        post("/user/login", "id=hunter-id&password=hunter-wrong", 401).await;
        post("/user/login", "id=hunter-unknown&password=hunter-wrong", 401).await;
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
        let logs = process.terminate();
        assert!(
            logs.contains("/user/password") && logs.contains("request handled"),
            "{logs}"
        );
        // the audit log holds the ids of accounts, and nothing else that was typed
        let logs = logs.replace("user.id=\"hunter-id\"", "");
        assert!(!logs.contains("hunter") && !logs.contains("argon2id"), "{logs}");
    }
}

#[actix_web::test]
async fn log_format_json_writes_json_lines() {
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
fn health_check_succeeds_for_a_running_service() {
    let process = Process::start(&[], &[]);
    let unspecified = process.address.replace("127.0.0.1", "0.0.0.0");
    for bind in [&process.address, &unspecified] {
        let output = run(&["healthcheck"], &[("BIND", bind)]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    let line = error_line(&run(&["healthcheck"], &[("BIND", "127.0.0.1:1")]));
    assert!(line.contains("127.0.0.1:1"), "{line}");
}

#[test]
fn health_check_fails_for_another_program() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        for response in ["HTTP/1.1 404 Not Found\r\n\r\n", "SSH-2.0-OpenSSH_10.0\r\n", ""] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            while !request.next().unwrap().unwrap().is_empty() {}
            std::io::Write::write_all(&mut stream, response.as_bytes()).unwrap();
        }
    });
    for _ in 0..3 {
        error_line(&run(&["healthcheck", "--bind", &address], &[]));
    }
    other.join().unwrap();
}

/// A standard error stream that loses the log.
#[derive(Clone, Copy, Debug)]
enum BrokenLog {
    Closed,
    FullDevice,
    NoReader,
    StuckReader,
}

impl BrokenLog {
    /// Returns the stream, and what keeps it as it is.
    fn open(self) -> (Stdio, Option<PipeReader>) {
        match self {
            Self::Closed => (Stdio::null(), None), // closed by the shell
            Self::FullDevice => (File::options().write(true).open("/dev/full").unwrap().into(), None),
            Self::NoReader => (pipe().unwrap().1.into(), None),
            Self::StuckReader => {
                let (reader, writer) = pipe().unwrap();
                (writer.into(), Some(reader))
            }
        }
    }
}

/// A program whose log cannot be written.
struct Silent {
    child: Child,
    address: String,
    /// Keeps the stream as it is.
    reader: Option<PipeReader>,
}

impl Silent {
    async fn start(log: BrokenLog, arguments: &[&str]) -> Self {
        let (stderr, reader) = log.open();
        let mut command = program(&[], &[]);
        if let BrokenLog::Closed = log {
            command = Command::new("sh");
            command.args(["-c", "exec \"$@\" >&- 2>&-", "sh", env!("CARGO_BIN_EXE_user-service")]);
        }
        command.args(["--bind", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stderr(stderr).spawn().unwrap();
        let port = loop {
            assert!(child.try_wait().unwrap().is_none(), "{log:?}: it does not start");
            match listening_port(child.id()) {
                Some(port) => break port,
                None => sleep(Duration::from_millis(20)).await,
            }
        };
        Self {
            child,
            address: format!("127.0.0.1:{port}"),
            reader,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn lost_lines(&self) -> u64 {
        let metrics = browser().get(self.url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("log_lines_lost_total "));
        lost.unwrap().parse().unwrap()
    }

    fn terminate(&self) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the port that a process listens on: its log does not tell.
fn listening_port(process: u32) -> Option<u16> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let links: Vec<_> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [_, local, _, "0A", _, _, _, _, _, inode, ..] = columns[..] else {
            return None;
        };
        let is_own = links.contains(&format!("socket:[{inode}]"));
        let (_, port) = local.split_once(':').filter(|_| is_own)?;
        u16::from_str_radix(port, 16).ok()
    })
}

#[actix_web::test]
async fn log_that_cannot_be_written_stops_no_request_and_no_shutdown() {
    for log in [
        BrokenLog::Closed,
        BrokenLog::FullDevice,
        BrokenLog::NoReader,
        BrokenLog::StuckReader,
    ] {
        let mut silent = Silent::start(log, &["--log-level", "debug"]).await;
        let browser = browser();
        // at least one line for each, of more than 64 KiB in all
        for _ in 0..800 {
            let response = browser.get(silent.url("/user/")).send().await.unwrap();
            assert_eq!(response.status(), 200, "{log:?}");
        }
        let register = browser
            .post(silent.url("/user/register"))
            .header("sec-fetch-site", "same-origin");
        let register = register.header("content-type", "application/x-www-form-urlencoded");
        let register = register.body("id=anna&name=Anna&password=battery+horse+1").send();
        assert_eq!(register.await.unwrap().status(), 303, "{log:?}");
        if let BrokenLog::FullDevice | BrokenLog::NoReader = log {
            while silent.lost_lines().await < 800 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        silent.terminate();
        assert!(silent.child.wait().unwrap().success(), "{log:?}");
    }
}

/// More lines come than may wait, and then the log is read.
#[actix_web::test]
async fn log_tells_how_many_lines_were_lost() {
    let log = BrokenLog::StuckReader;
    let mut silent = Silent::start(log, &["--log-level", "debug", "--log-format", "json"]).await;
    while silent.lost_lines().await == 0 {
        let visits = (0..20).map(|_| {
            let (browser, url) = (browser(), silent.url("/user/nothing"));
            spawn(async move {
                for _ in 0..50 {
                    assert_eq!(browser.get(&url).send().await.unwrap().status(), 404);
                }
            })
        });
        for visit in visits.collect::<Vec<_>>() {
            visit.await.unwrap();
        }
    }
    let mut lines = BufReader::new(silent.reader.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let told = lines.find(|line| line.contains("lines of the log were lost")).unwrap();
    assert!(
        told.contains("\"level\":\"WARN\"") && told.contains("\"lost\":"),
        "{told}"
    );
    silent.terminate();
    let last = lines.last().unwrap();
    assert!(last.contains("\"message\":\"stopped\""), "{last}");
    assert!(silent.child.wait().unwrap().success());
}

#[test]
fn error_at_start_needs_no_log() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for log in [BrokenLog::FullDevice, BrokenLog::NoReader] {
        for variable in [("BIND", &*address), ("BIND", "nowhere"), ("SESSION_STORE", "foo://x")] {
            let (stderr, _) = log.open();
            let status = program(&[], &[variable]).stderr(stderr).status().unwrap();
            assert!(matches!(status.code(), Some(1 | 2)), "{log:?} {variable:?}: {status}");
        }
    }
}
