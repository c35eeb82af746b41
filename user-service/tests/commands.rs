//! The subcommands for operators, on the program and a real Redis.

#![allow(clippy::unwrap_used)]

mod program;

use std::process::Output;

use program::{Process, error_line, run};
use service_kit::testing::browser;
use service_kit::testing::reqwest::Client;
use shared_session::testing::redis_server::RedisServer;

async fn post(client: &Client, process: &Process, path: &str, body: &'static str) -> u16 {
    let post = client.post(process.url(path)).body(body).header("user-agent", "curl/8");
    let post = post.header("content-type", "application/x-www-form-urlencoded");
    let response = post.header("sec-fetch-site", "same-origin").send().await.unwrap();
    response.status().as_u16()
}

async fn is_signed_in(client: &Client, process: &Process) -> bool {
    let response = client.get(process.url("/user/sessions")).send().await.unwrap();
    response.status() == 200
}

fn output(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const SIGN_IN: &str = "id=anna&name=Anna&password=correct+horse+1";

#[actix_web::test]
async fn operator_lists_and_revokes_sessions_and_deletes_an_account() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url)];
    let command = |arguments: &[&str]| run(arguments, &variables);
    let process = Process::start(&[], &variables);
    let devices = [browser(), browser(), browser()];
    assert_eq!(post(&browser(), &process, "/user/register", SIGN_IN).await, 303);
    assert_eq!(output(command(&["sessions", "berta"])), "berta has no session.\n");

    for device in &devices {
        assert_eq!(post(device, &process, "/user/login", SIGN_IN).await, 303);
    }
    let listed = output(command(&["sessions", " Anna "]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["HANDLE", "CREATED", "LAST", "USED", "DEVICE"]
    );
    let handles: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(lines[1..].iter().all(|line| line.ends_with("  curl")), "{listed}");
    let page = devices[0]
        .get(process.url("/user/sessions"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(handles.len() >= 3, "{listed}");

    // the page has a form for each of the other sessions
    let other = handles.iter().find(|handle| page.contains(**handle)).unwrap();
    let revoked = command(&["sessions", "anna", "--revoke", other]);
    let log = String::from_utf8(revoked.stderr.clone()).unwrap();
    assert_eq!(output(revoked), "The session was revoked.\n");
    assert!(
        log.contains("INFO audit: session revoked user.id=\"anna\"") && log.contains(*other),
        "{log}"
    );
    let line = error_line(&command(&["sessions", "anna", "--revoke", other]));
    assert!(line.contains("no session with this handle"), "{line}");
    let mut signed_in = 0;
    for device in &devices {
        signed_in += usize::from(is_signed_in(device, &process).await);
    }
    assert_eq!(signed_in, 2);

    let count = handles.len() - 1;
    assert_eq!(
        output(command(&["sessions", "anna", "--revoke", "--all"])),
        format!("Sessions revoked: {count}\n")
    );
    for device in &devices {
        assert!(!is_signed_in(device, &process).await);
    }

    assert_eq!(post(&devices[0], &process, "/user/login", SIGN_IN).await, 303);
    assert!(output(command(&["accounts", "delete", "anna"])).contains("deleted"));
    assert!(!is_signed_in(&devices[0], &process).await);
    assert_eq!(post(&browser(), &process, "/user/login", SIGN_IN).await, 401);
    let line = error_line(&command(&["accounts", "delete", "anna"]));
    assert!(line.contains("there is no account anna"), "{line}");
}

#[test]
fn invalid_command_fails_with_one_line() {
    let variables = [("SESSION_STORE", "redis://127.0.0.1:1")];
    for (arguments, expected) in [
        (&["sessions"][..], "<USER>"),
        (&["sessions", "anna", "--revoke"], "--revoke"),
        (&["sessions", "anna", "--revoke", "hunter2"], "--revoke"),
        (&["sessions", "anna", "--all"], "--revoke"),
        (&["sessions", "anna"], "unavailable"),
        (&["accounts"], "subcommand"),
        (&["accounts", "delete"], "<USER>"),
        (&["accounts", "delete", "?"], "user ID"),
    ] {
        let line = error_line(&run(arguments, &variables));
        assert!(
            line.contains(expected) && !line.contains("hunter2"),
            "{arguments:?}: {line}"
        );
    }
    let line = error_line(&run(&["sessions", "anna"], &[]));
    assert!(line.contains("SESSION_STORE"), "{line}");
}
