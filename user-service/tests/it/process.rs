//! Tests the program: invalid options, logs, graceful stop, and the health check.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use service_kit::testing::browser;
use service_kit::testing::reqwest::header::HeaderValue;
use shared_session::testing::redis_server::RedisServer;

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
