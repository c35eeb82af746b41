//! Several live session cookies are logged once a minute at most, whichever worker meets them.

use reqwest::Client;
use shared_session_testkit::alone::alone;

use crate::log;
use crate::support::{Door, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn several_live_sessions_are_logged_once() {
    if !alone(several_live_sessions_are_logged_once) {
        return;
    }
    let log = log::capture(tracing::Level::WARN);
    let stack = Stack::in_memory(Door::Actix);
    let (one, other) = (
        stack.new_session("insert:a:1").await,
        stack.new_session("insert:b:1").await,
    );
    // each client has a connection of its own, so that both workers of the service are asked
    let mut workers = std::collections::HashSet::new();
    for _ in 0..20 {
        let request = Client::new().post(format!("{}/do/nothing", stack.address(0)));
        let request = request.header("cookie", format!("sid={one}; sid={other}"));
        workers.insert(request.send().await.unwrap().text().await.unwrap());
    }
    assert_eq!(workers.len(), 2);
    let text = log.take();
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    assert!(warnings[0].contains("request has several live sessions"), "{text}");
    for cookie in [one, other] {
        assert!(!text.contains(&cookie), "an id is in the log");
    }
}
