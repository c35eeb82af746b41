//! The audit log: one record for each event, with the request, the address, and the user if there is an account.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use service_kit::testing::browser;
use service_kit::testing::reqwest::{Client, Response};
use shared_session_testkit::servers::RedisServer;
use tokio::io::AsyncWriteExt;

use crate::accounts::support::account;
use crate::program::Process;

async fn post(client: &Client, url: String, body: String) -> Response {
    client
        .post(url)
        .body(body)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header("x-request-id", "the-request")
        .header("x-forwarded-for", "192.0.2.7")
        .send()
        .await
        .unwrap()
}

/// Returns the records of the audit log as `message user session`.
fn events(logs: &str) -> Vec<String> {
    let records = logs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events = records.filter(|record| record["target"] == "audit").map(|record| {
        assert_eq!(record["level"], "INFO", "{record}");
        assert_eq!(record["request_id"], "the-request", "{record}");
        assert_eq!(record["client.address"], "192.0.2.7", "{record}");
        let text = |name| record[name].as_str().unwrap_or("-").to_owned();
        [text("message"), text("user.id"), text("session.handle")].join(" ")
    });
    events.collect()
}

const ACCOUNT: &str = "id=anna&name=Anna&password=battery+horse+1";

#[actix_web::test]
async fn each_event_is_logged_with_its_user_and_its_request() {
    let process = Process::start(&[], &[("LOG_FORMAT", "json")]);
    let (phone, desktop, stranger) = (browser(), browser(), browser());
    let send = async |client: &Client, path: &str, body: &str, status: u16| {
        let response = post(client, process.url(path), body.to_owned()).await;
        assert_eq!(response.status(), status, "{path}");
    };
    send(&phone, "/user/register", ACCOUNT, 303).await;
    send(&stranger, "/user/register", ACCOUNT, 409).await;
    send(&stranger, "/user/login", "id=anna&password=typed-password", 401).await;
    send(&stranger, "/user/login", "id=typed-password&password=x", 401).await;
    send(&stranger, "/user/login", "id=typed-password!&password=x", 401).await;
    send(&stranger, "/user/logout", "", 303).await;
    send(&desktop, "/user/login", "id=ANNA&password=battery+horse+1", 303).await;
    let page = phone.get(process.url("/user/sessions")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let handle = page.split("name=\"handle\" value=\"").nth(1).unwrap();
    let handle = handle.split('"').next().unwrap().to_owned();
    let handle = &*handle;
    for _ in 0..2 {
        send(&phone, "/user/sessions/revoke", &format!("handle={handle}"), 303).await;
    }
    send(&phone, "/user/sessions/revoke", "handle=typed-password", 404).await;
    send(&phone, "/user/sessions/revoke-others", "", 303).await;
    let change = |current: &str| format!("current={current}&new=battery+horse+2");
    send(&phone, "/user/password", &change("typed-password"), 401).await;
    send(&phone, "/user/password", &change("battery+horse+1"), 303).await;
    send(&phone, "/user/redis_session_set", "", 200).await;
    send(&phone, "/user/login", "id=anna&password=battery+horse+2", 303).await;
    send(&phone, "/user/logout", "", 303).await;
    send(&phone, "/user/login", "id=anna&password=battery+horse+2", 303).await;
    send(&phone, "/user/delete", "password=typed-password", 401).await;
    send(&phone, "/user/delete", "password=battery+horse+2", 200).await;
    let logs = process.terminate();
    // the handles of the phone's sessions, as the record of its sign-in names them
    let events = events(&logs);
    let phones: Vec<_> = [1, 14, 16]
        .map(|index| events[index].rsplit(' ').next().unwrap().to_owned())
        .to_vec();
    let expected = [
        "account registered anna -",
        &format!("signed in anna {}", phones[0]),
        "authentication failed anna -",
        "authentication failed - -",
        "authentication failed - -",
        &format!("signed in anna {handle}"),
        &format!("session revoked anna {handle}"),
        "revocation of an unknown session refused anna -",
        "revocation of an unknown session refused anna -",
        "other sessions revoked anna -",
        "authentication failed anna -",
        "password changed anna -",
        "other sessions revoked anna -",
        &format!("signed out anna {}", phones[0]),
        &format!("signed in anna {}", phones[1]),
        &format!("signed out anna {}", phones[1]),
        &format!("signed in anna {}", phones[2]),
        "authentication failed anna -",
        "account deleted anna -",
    ];
    assert_eq!(events, expected, "{logs}");
    assert!(phones.iter().all(|handle| handle.len() == 43), "{phones:?}");
    assert!(!logs.contains("typed-password") && !logs.contains("battery"), "{logs}");
}

#[actix_web::test]
async fn attempts_that_must_wait_are_logged() {
    let redis = RedisServer::start();
    let process = Process::start(&["--session-store", &redis.url()], &[("LOG_FORMAT", "json")]);
    post(&browser(), process.url("/user/register"), ACCOUNT.to_owned()).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    // leaves the count of an ID without an account
    post(
        &browser(),
        process.url("/user/login"),
        "id=typed-password&password=x".to_owned(),
    )
    .await;
    let unknown: Vec<String> = redis.run(&["KEYS", "user:attempts:*"]);
    let anna = format!("user:attempts:{}", account(&redis, "anna"));
    for (id, key, wrong) in [
        ("anna", &anna, 20),
        ("anna", &anna, 100),
        ("typed-password", &unknown[0], 20),
    ] {
        let count = format!("{wrong} {now}");
        let () = redis.run(&["SET", key, &count]);
        let attempt = format!("id={id}&password=battery+horse+1");
        let response = post(&browser(), process.url("/user/login"), attempt).await;
        assert_eq!(response.status(), 429, "{count}");
    }
    let logs = process.terminate();
    let expected = [
        "account registered anna -",
        &events(&logs)[1],
        "authentication failed - -",
        "authentication delayed anna -",
        "authentication blocked anna -",
        "authentication delayed - -",
    ];
    assert_eq!(events(&logs), expected, "{logs}");
    assert!(!logs.contains("typed-password"), "{logs}");
}

/// Forwards connections to a port of this machine, and delays what flows in either direction. Returns its port.
fn slow_link(target: u16, delay: Duration) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let forward = move |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(length @ 1..) = from.read(&mut bytes) {
                std::thread::sleep(delay);
                if to.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", target)).unwrap());
            forward(client.try_clone().unwrap(), server.try_clone().unwrap());
            forward(server, client);
        }
    });
    port
}

/// Sends a form, and resets the connection after this time.
async fn post_and_reset(address: &str, path: &str, body: &str, cookie: &str, delay: Duration) {
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\ncookie: {cookie}\r\nx-request-id: the-request\r\n\
         x-forwarded-for: 192.0.2.7\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(delay).await;
    client.set_zero_linger().unwrap();
}

/// Clients reset their connections at many moments of a password change and of an account's deletion.
#[actix_web::test]
async fn change_whose_client_is_gone_is_made_and_logged_as_a_whole() {
    const MOMENTS: u32 = 24;
    let redis = RedisServer::start();
    let store = redis.url();
    let slow = format!(
        "redis://127.0.0.1:{}/0",
        slow_link(redis.port(), Duration::from_millis(5))
    );
    let variables = [("LOG_FORMAT", "json"), ("SESSION_STORE_TIMEOUT", "30s")];
    let process = Process::start(&["--session-store", &slow], &variables);
    let checker = Process::start(&["--session-store", &store], &variables);
    let sign_in = async |id: &str, password: &str| {
        let body = format!("id={id}&password={password}");
        post(&browser(), checker.url("/user/login"), body).await
    };
    let cookie = |response: &Response| {
        response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut other_devices = Vec::new();
    let mut longest = Duration::ZERO;
    for moment in 0..=MOMENTS {
        for (kind, path, form) in [
            (
                "change",
                "/user/password",
                "current=battery+horse+1&new=battery+horse+2",
            ),
            ("delete", "/user/delete", "password=battery+horse+1"),
        ] {
            let id = format!("{kind}-{moment}");
            let body = format!("id={id}&name=Anna&password=battery+horse+1");
            post(&browser(), checker.url("/user/register"), body).await;
            let (here, there) = (
                sign_in(&id, "battery+horse+1").await,
                sign_in(&id, "battery+horse+1").await,
            );
            other_devices.push((id, cookie(&there)));
            let began = std::time::Instant::now();
            if moment == 0 {
                let url = process.url(path);
                let request = browser().post(url).body(form).header("cookie", cookie(&here));
                let request = request.header("content-type", "application/x-www-form-urlencoded");
                request.header("sec-fetch-site", "same-origin").send().await.unwrap();
                longest = longest.max(began.elapsed());
            } else {
                let delay = longest * moment / MOMENTS;
                post_and_reset(&process.address, path, form, &cookie(&here), delay).await;
            }
        }
    }
    let logs = process.terminate();
    for (id, cookie) in other_devices {
        let page = browser()
            .get(checker.url("/user/"))
            .header("cookie", cookie)
            .send()
            .await
            .unwrap();
        let is_signed_in = page.text().await.unwrap().contains("Signed in as");
        let user = format!("\"user.id\":\"{id}\"");
        let lines: Vec<_> = logs.lines().filter(|line| line.contains(&user)).collect();
        let is_logged = |what: &str| lines.iter().any(|line| line.contains(what));
        let (old, new) = (
            sign_in(&id, "battery+horse+1").await,
            sign_in(&id, "battery+horse+2").await,
        );
        let (was_changed, was_deleted) = (new.status() == 303, old.status() == 401 && new.status() == 401);
        assert_eq!(is_logged("password changed"), was_changed, "{id}: {logs}");
        assert_eq!(is_logged("other sessions revoked"), was_changed, "{id}: {logs}");
        assert_eq!(is_logged("account deleted"), was_deleted, "{id}: {logs}");
        assert_eq!(is_signed_in, !was_changed && !was_deleted, "{id}: {logs}");
    }
}

/// Redis permits accounts, but refuses to store sessions, as it does if it becomes full in between.
#[actix_web::test]
async fn sign_in_that_is_not_stored_is_not_logged() {
    let redis = RedisServer::start();
    let process = Process::start(&["--session-store", &redis.url()], &[("LOG_FORMAT", "json")]);
    let () = redis.run(&["ACL", "SETUSER", "default", "resetkeys", "~user:*", "~task:*"]);
    // its page says that the account was created, with status 200
    for (path, status) in [("/user/register", 200), ("/user/login", 503)] {
        let response = post(&browser(), process.url(path), ACCOUNT.to_owned()).await;
        assert_eq!(response.status(), status, "{path}");
    }
    let logs = process.terminate();
    assert_eq!(events(&logs), ["account registered anna -"], "{logs}");
}

#[actix_web::test]
async fn form_of_another_site_is_logged_with_its_address() {
    let process = Process::start(&[], &[("LOG_FORMAT", "json")]);
    let form = browser()
        .post(process.url("/user/login?typed-password"))
        .body("id=typed-password");
    let form = form
        .header("sec-fetch-site", "cross-site")
        .header("x-request-id", "the-request");
    let refused = form.header("x-forwarded-for", "192.0.2.7").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let logs = process.terminate();
    assert_eq!(events(&logs), ["request of another site refused - -"], "{logs}");
    assert!(!logs.contains("typed-password"), "{logs}");
}

fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(&process.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream
}

#[actix_web::test]
async fn malformed_request_is_not_an_error() {
    let process = Process::start(&[], &[("LOG_FORMAT", "json")]);
    for bytes in [
        &b"\x16\x03\x01 not http\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
        b"GET /user/ HTTP/9.9\r\n\r\n",
        b"POST /user/login HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /user/login HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: none\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = connect(&process);
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(200_000));
    let mut stream = connect(&process);
    let _ = stream.write_all(large.as_bytes());
    let _ = stream.read_to_end(&mut Vec::new());
    let logs = process.terminate();
    assert!(
        !logs.contains("\"ERROR\"") && !logs.contains("\"WARN\",\"message\":\"request"),
        "{logs}"
    );
}
