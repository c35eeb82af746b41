//! The subcommands for operators, on the program and a real Redis.

use std::process::{Command, Output, Stdio};

use service_kit::testing::browser;
use service_kit::testing::reqwest::Client;
use shared_session_testkit::servers::RedisServer;

use crate::accounts::support::account;
use crate::program::{Process, error_line, program, run};

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

const SIGN_IN: &str = "id=anna&name=Anna&password=battery+horse+1";

#[actix_web::test]
async fn operator_lists_and_revokes_sessions() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url), ("USER", "olga")];
    let command = |arguments: &[&str]| run(arguments, &variables);
    let process = Process::start(&[], &variables);
    let devices = [browser(), browser(), browser()];
    assert_eq!(post(&devices[0], &process, "/user/register", SIGN_IN).await, 303);
    assert_eq!(post(&devices[0], &process, "/user/logout", "").await, 303);
    assert_eq!(output(command(&["sessions", "anna"])), "anna has no session.\n");
    assert_eq!(post(&devices[0], &process, "/user/login", SIGN_IN).await, 303);
    for device in &devices[1..] {
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
    let page = devices[0].get(process.url("/user/sessions")).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert_eq!(handles.len(), 3, "{listed}");

    // the page has a form for each of the other sessions
    let is_other = |handle: &&&str| page.contains(&format!("value=\"{handle}\""));
    let other = handles.iter().find(is_other).unwrap();
    let revoked = command(&["sessions", "anna", "--revoke", other]);
    let log = String::from_utf8(revoked.stderr.clone()).unwrap();
    assert_eq!(output(revoked), "The session was revoked.\n");
    assert!(
        log.contains("INFO audit: session revoked operator=\"olga\" user.id=\"anna\"") && log.contains(*other),
        "{log}"
    );
    let line = error_line(&command(&["sessions", "anna", "--revoke", other]));
    assert!(line.contains("no session with this handle"), "{line}");
    let mut signed_in = 0;
    for device in &devices {
        signed_in += usize::from(is_signed_in(device, &process).await);
    }
    assert_eq!(signed_in, 2);

    let revoked = command(&["sessions", "anna", "--revoke", "--all"]);
    let log = String::from_utf8(revoked.stderr.clone()).unwrap();
    assert_eq!(output(revoked), "Sessions revoked: 2\n");
    assert!(
        log.contains("INFO audit: all sessions revoked operator=\"olga\" user.id=\"anna\""),
        "{log}"
    );
    for device in &devices {
        assert!(!is_signed_in(device, &process).await);
    }
}

#[actix_web::test]
async fn operator_deletes_an_account_as_its_owner_does() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url), ("USER", "olga")];
    let process = Process::start(&[], &variables);
    let (anna, berta) = (browser(), browser());
    assert_eq!(post(&anna, &process, "/user/register", SIGN_IN).await, 303);
    let form = "id=berta&name=Berta&password=battery+horse+1";
    assert_eq!(post(&berta, &process, "/user/register", form).await, 303);
    let keys = ["anna", "berta"].map(|user| {
        let account = account(&redis, user);
        [
            format!("task:list:{account}"),
            format!("user:attempts:{account}"),
            format!("user:account:{user}"),
        ]
    });
    for [tasks, attempts, _] in &keys {
        let () = redis.run(&["HSET", tasks, "a-task", "{}"]);
        let () = redis.run(&["SET", attempts, "3 0"]);
    }

    let deleted = run(&["accounts", "delete", "Anna"], &variables);
    let log = String::from_utf8(deleted.stderr.clone()).unwrap();
    assert!(output(deleted).contains("deleted"));
    assert!(
        log.contains("INFO audit: account deleted operator=\"olga\" user.id=\"anna\""),
        "{log}"
    );
    assert!(!is_signed_in(&anna, &process).await);
    assert!(is_signed_in(&berta, &process).await);
    for (keys, count) in keys.iter().zip([0, 3]) {
        assert_eq!(redis.run::<u64>(&["EXISTS", &keys[0], &keys[1], &keys[2]]), count);
    }
    assert_eq!(post(&browser(), &process, "/user/login", SIGN_IN).await, 401);
    let line = error_line(&run(&["accounts", "delete", "anna"], &variables));
    assert!(line.contains("there is no account anna"), "{line}");
}

#[actix_web::test]
async fn operator_unlocks_an_account_after_a_hundred_wrong_passwords() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url), ("USER", "olga")];
    let process = Process::start(&[], &variables);
    assert_eq!(post(&browser(), &process, "/user/register", SIGN_IN).await, 303);
    let () = redis.run(&["SET", &format!("user:attempts:{}", account(&redis, "anna")), "100 0"]);
    assert_eq!(post(&browser(), &process, "/user/login", SIGN_IN).await, 429);

    let unlocked = run(&["accounts", "unlock", "Anna"], &variables);
    let log = String::from_utf8(unlocked.stderr.clone()).unwrap();
    assert_eq!(output(unlocked), "The wrong passwords were forgotten.\n");
    assert!(
        log.contains("INFO audit: account unlocked operator=\"olga\" user.id=\"anna\""),
        "{log}"
    );
    assert_eq!(post(&browser(), &process, "/user/login", SIGN_IN).await, 303);
    let line = error_line(&run(&["accounts", "unlock", "berta"], &variables));
    assert!(line.contains("there is no account berta"), "{line}");
}

#[actix_web::test]
async fn command_that_is_interrupted_ends_the_change_that_it_began() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [
        ("SESSION_STORE", &*url),
        ("USER", "olga"),
        ("SESSION_STORE_TIMEOUT", "60s"),
        ("SHUTDOWN_TIMEOUT", "60s"),
    ];
    let process = Process::start(&[], &variables);
    assert_eq!(post(&browser(), &process, "/user/register", SIGN_IN).await, 303);
    let () = redis.run(&["CLIENT", "PAUSE", "1000000", "WRITE"]);
    let mut command = program(&["accounts", "delete", "anna"], &variables);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !redis
        .run::<String>(&["INFO", "clients"])
        .contains("\nblocked_clients:1")
    {
        assert_eq!(redis.run::<u64>(&["EXISTS", "user:account:anna"]), 1);
    }
    let kill = Command::new("kill").arg(command.id().to_string()).status().unwrap();
    assert!(kill.success());
    let () = redis.run(&["CLIENT", "UNPAUSE"]);
    let output = command.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("INFO audit: account deleted operator=\"olga\" user.id=\"anna\""),
        "{log}"
    );
    assert_eq!(redis.run::<u64>(&["EXISTS", "user:account:anna"]), 0);
    assert_eq!(
        redis.run::<u64>(&["EXISTS", "user:audit"]),
        1,
        "the service may log it later"
    );
}

/// The log of a command is lost with its terminal.
#[actix_web::test]
async fn change_by_an_operator_is_in_the_log_of_the_service() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url)];
    let services = [Process::start(&[], &variables), Process::start(&[], &variables)];
    assert_eq!(post(&browser(), &services[0], "/user/register", SIGN_IN).await, 303);
    let nobody = error_line(&run(&["accounts", "unlock", "anna"], &variables));
    assert!(nobody.contains("--operator"), "{nobody}");
    for operator in [&["--operator", "olga"][..], &[]] {
        let mut command = program(&[&["accounts", "unlock", "anna"], operator].concat(), &variables);
        let done = command.env("USER", "root").env("SUDO_USER", "otto").output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    assert_eq!(post(&browser(), &services[1], "/user/login", SIGN_IN).await, 303);
    while redis.run::<u64>(&["EXISTS", "user:audit"]) == 1 {}
    let logs = services.map(Process::terminate).concat();
    for operator in ["olga", "otto"] {
        let record = format!("INFO audit: account unlocked operator=\"{operator}\" user.id=\"anna\"");
        assert_eq!(logs.matches(&record).count(), 1, "{logs}");
    }
}

#[actix_web::test]
async fn command_for_a_user_who_does_not_exist_fails_and_records_nothing() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [("SESSION_STORE", &*url), ("USER", "olga")];
    let handle = "x".repeat(42) + "A";
    for arguments in [
        &["sessions", "ana"][..],
        &["sessions", "ana", "--revoke", "--all"],
        &["sessions", "ana", "--revoke", &handle],
        &["accounts", "delete", "ana"],
        &["accounts", "unlock", "ana"],
        &["accounts", "reset", "ana"],
    ] {
        let line = error_line(&run(arguments, &variables));
        assert!(line.contains("there is no account ana"), "{line}");
    }
    assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
}

#[test]
fn help_and_documentation_name_each_command() {
    let documentation = include_str!("../../../docs/deployment.md");
    for (arguments, commands) in [
        (&["--help"][..], &["sessions", "accounts"][..]),
        (&["accounts", "--help"], &["delete", "unlock", "reset"]),
    ] {
        let help = output(run(arguments, &[]));
        for command in commands {
            assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        }
    }
    for command in [
        "sessions anna",
        "accounts delete anna",
        "accounts unlock anna",
        "accounts reset anna",
    ] {
        let line = format!("docker compose exec user-service user-service {command} ");
        assert!(documentation.contains(&line), "{line}");
    }
}

#[test]
fn invalid_command_fails_with_one_line() {
    let variables = [("SESSION_STORE", "redis://127.0.0.1:1"), ("USER", "olga")];
    let handle = "x".repeat(42) + "A";
    for (arguments, expected) in [
        (&["sessions"][..], "<USER>"),
        (&["sessions", "anna", "--revoke"], "--revoke"),
        (&["sessions", "anna", "--revoke", &handle, "--all"], "--revoke"),
        (&["sessions", "anna", "--revoke", "hunter2"], "--revoke"),
        (&["sessions", "anna", "--all"], "--revoke"),
        (&["sessions", "anna"], "unavailable"),
        (&["accounts"], "subcommand"),
        (&["accounts", "delete"], "<USER>"),
        (&["accounts", "delete", "?"], "user ID"),
        (&["accounts", "delete", "anna"], "unavailable"),
        (&["accounts", "unlock"], "<USER>"),
        (&["accounts", "unlock", "?"], "user ID"),
        (&["accounts", "unlock", "anna"], "unavailable"),
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
