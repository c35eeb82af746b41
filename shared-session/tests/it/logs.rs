//! Promise 10: no log level shows an id or a value, and each failure is logged once.

use std::sync::Arc;
use std::time::Duration;

use shared_session::Format;
use shared_session::backend::Backend;
use shared_session_testkit::TestClock;
use shared_session_testkit::alone::alone;
use shared_session_testkit::faulty::{Fault, Faulty};

use crate::log;
use crate::support::{Door, Stack, TestResponse, settings};

#[tokio::test(flavor = "multi_thread")]
async fn log_of_actix_shows_failures_once_and_no_ids() {
    if alone(log_of_actix_shows_failures_once_and_no_ids) {
        log_shows_failures_once_and_no_ids(Door::Actix).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_of_axum_shows_failures_once_and_no_ids() {
    if alone(log_of_axum_shows_failures_once_and_no_ids) {
        log_shows_failures_once_and_no_ids(Door::Axum).await;
    }
}

async fn log_shows_failures_once_and_no_ids(door: Door) {
    let log = log::capture(tracing::Level::TRACE);

    let clock = TestClock::default();
    let memory = Arc::new(shared_session::backend::memory::Memory::new(clock.clock()));
    let backend = Arc::new(Faulty::new(memory.clone(), Fault::Never));
    let stack = Stack::over(door, backend.clone(), clock.clone(), &settings());
    let cookie = stack.new_session("insert:secret:12345678").await;
    let renewed = stack.send(1, "/do/renew", Some(&cookie)).await.cookie.unwrap();
    stack.fields(0, &cookie).await;
    stack.fields(0, &"z".repeat(8192)).await;
    let quiet = log.take();
    for operation in ["create", "load", "replace"] {
        let span = format!(r#"session_store_operation{{db.system.name="memory" db.operation.name="{operation}"}}"#);
        assert!(quiet.contains(&span), "{operation}: {quiet}");
    }
    for level in [" INFO", " WARN", "ERROR"] {
        let loud = quiet
            .lines()
            .find(|line| line.contains(level) && line.contains("shared_session"));
        assert_eq!(loud, None, "a request without a failure is logged above debug");
    }

    // an unreadable record: the log names its key, which is not the id
    let id = Format::Json.ids().parse(renewed.as_bytes()).unwrap();
    let key = Format::Json.ids().key("session:", &id);
    let record = memory
        .load(key.as_str(), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    memory
        .replace(key.as_str(), &record, b"\xff 12345678", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(stack.send(0, "/all", Some(&renewed)).await.status, 500);
    let unreadable = log.take();
    let errors: Vec<&str> = unreadable.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(key.as_str()));
    assert!(errors[0].contains("failed to load session"), "{}", errors[0]);

    // an unavailable store: the first request that waits for it is logged, and the circuit breaker, when it opens and closes
    let cookie = stack.new_session("insert:a:1").await;
    backend.set_unreachable(true);
    for _ in 0..20 {
        assert_eq!(stack.send(0, "/all", Some(&cookie)).await.status, 503);
    }
    backend.set_unreachable(false);
    while stack.send(0, "/all", Some(&cookie)).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let outage = log.take();
    let lines = |text: &str| outage.lines().filter(|line| line.contains(text)).count();
    assert_eq!((lines("ERROR"), lines("available again")), (2, 1), "{outage}");

    // a full store: it refuses every change
    let full = Stack::over(
        door,
        Arc::new(Faulty::new(memory.clone(), Fault::Scripts)),
        clock,
        &settings(),
    );
    for _ in 0..20 {
        assert_eq!(full.send(0, "/do/insert:b:2", Some(&cookie)).await.status, 503);
    }
    let refused = log.take();
    assert_eq!(
        refused.lines().filter(|line| line.contains("ERROR")).count(),
        1,
        "{refused}"
    );

    for (id, text) in [&cookie, &renewed]
        .into_iter()
        .flat_map(|id| [(id, &quiet), (id, &unreadable), (id, &outage), (id, &refused)])
    {
        assert!(!text.contains(id.as_str()), "an id is in the log");
        assert!(!text.contains("12345678"), "a value is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_session_is_a_warning_that_names_the_field_that_grew_most() {
    if !alone(full_session_is_a_warning_that_names_the_field_that_grew_most) {
        return;
    }
    let log = log::capture(tracing::Level::INFO);
    for door in [Door::Actix, Door::Axum] {
        let stack = Stack::with_settings(door, &settings().with_max_size(1024).unwrap());
        let text = |size: usize| format!("%22{}%22", "12345678".repeat(size / 8));
        let cookie = stack.new_session(&format!("insert:old:{}", text(600))).await;
        log.take();
        let grow = format!("/do/insert:old:{},insert:cart:{},insert:a:1", text(640), text(400));
        let change = stack.request(1, &grow).header("cookie", format!("sid={cookie}"));
        let begin = stack.request(1, &format!("/do/insert:cart:{}", text(1200)));
        for request in [change, begin] {
            let response = TestResponse::to(request.header("accept", "application/json")).await;
            assert_eq!(response.status, 413);
            let problem: serde_json::Value = serde_json::from_str(&response.body).unwrap();
            assert_eq!(
                (&problem["status"], &problem["code"]),
                (&413.into(), &"session_full".into())
            );
            let log = log.take();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains("shared_session")).collect();
            assert!(lines.len() == 1 && lines[0].contains("WARN"), "{door:?}: {log}");
            assert!(
                lines[0].contains("more than SESSION_MAX_SIZE (1024); the field \"cart\" grew most"),
                "{log}"
            );
            assert!(!log.contains("12345678"), "a value is in the log");
        }
    }
}
