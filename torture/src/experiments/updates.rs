//! Changes of one session at the same time.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Browser, Lab};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "concurrent-updates",
        promise: "Concurrent updates of one session are all kept",
        why: "A visitor adds two things to the cart in two tabs, and one is gone. No error is shown.",
        report: "https://github.com/tj/connect-redis/issues/75",
        counts: "updates kept",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(concurrent_updates(lab)),
    },
    Experiment {
        name: "across-processes",
        promise: "Concurrent updates through two processes are all kept",
        why: "Most sites run on more than one server. A lock inside one process protects nothing there, and tests \
              on one machine do not show it.",
        report: "https://github.com/ten24/slatwall/pull/5169",
        counts: "updates kept",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(across_processes(lab)),
    },
    Experiment {
        name: "concurrent-counts",
        promise: "Concurrent requests that count up one field are all counted",
        why: "A visitor clicks plus twice and gets one piece instead of two. A limit on wrong passwords can be \
              dodged in the same way, because some tries are never counted.",
        report: "https://github.com/phpredis/phpredis/issues/339",
        counts: "requests counted",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(concurrent_counts(lab)),
    },
    Experiment {
        name: "removed-field",
        promise: "A removed field is not restored by a request that only read it",
        why: "A visitor removes something or sees a message once, and it is back on the next page. If what was \
              removed is the sign-in itself, the person is signed in again without wanting it.",
        report: "https://github.com/valery-barysok/session-file-store/pull/55",
        counts: "removals undone",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(removed_field(lab)),
    },
    Experiment {
        name: "list-item",
        promise: "An item that is appended to a list in the session is stored",
        why: "A visitor changes the cart, the page confirms it, and on the next page the change is gone.",
        report: "https://github.com/pallets/flask/issues/1983",
        counts: "items stored",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(list_item(lab)),
    },
    Experiment {
        name: "large-session",
        promise: "A large value is stored whole, or refused with nothing changed",
        why: "Someone who has filled in a long form or a big cart loses the work, and sees no message about it.",
        report: "https://github.com/ManageIQ/manageiq/issues/7947",
        counts: "values whole or refused",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(large_session(lab)),
    },
];

const UPDATES: usize = 500;
const ROUNDS: usize = 20;

async fn concurrent_updates(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    kept(&[browser]).await
}

async fn across_processes(lab: &Lab) -> Result<Finding> {
    let (redis, first) = lab.stack().await?;
    let second = lab.server(&redis.url()).await?;
    let browser = first.signed_in("ada").await?;
    let other = browser.tab_at(second.port());
    kept(&[browser, other]).await
}

/// Sends updates through all the browsers in turn, each of another field, and counts those that are kept.
async fn kept(browsers: &[Browser]) -> Result<Finding> {
    let updates = (0..UPDATES).map(|n| {
        let browser = browsers[n % browsers.len()].tab();
        async move { browser.set(&format!("f{n}"), &n.to_string()).await.done() }
    });
    let done = join_all(updates).await;
    let names: Vec<_> = (0..UPDATES).map(|n| format!("f{n}")).collect();
    let fields = browsers[0].show(&names.join(",")).await?;
    let is_kept = |n: &usize| fields.get(&names[*n]) == Some(&json!(n.to_string()));
    let kept = (0..UPDATES).filter(is_kept).count();
    let refused = done.iter().filter(|&&done| !done).count();
    let refusals = if refused == 0 {
        String::new()
    } else {
        format!(", {refused} refused")
    };
    Ok(Finding::new(kept == UPDATES, format!("{kept} of {UPDATES}{refusals}")))
}

async fn concurrent_counts(lab: &Lab) -> Result<Finding> {
    const COUNTS: usize = 100;
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let counts = (0..COUNTS).map(|_| {
        let browser = browser.tab();
        async move { browser.post("/count", "").await.done() }
    });
    let done = join_all(counts).await;
    ensure!(done.iter().all(|&done| done), "not all requests were carried out");
    let fields = browser.show("n").await?;
    let counted = fields.get("n").and_then(serde_json::Value::as_u64).unwrap_or(0);
    Ok(Finding::all(usize::try_from(counted)?, COUNTS))
}

async fn removed_field(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let mut undone = 0;
    for round in 0..ROUNDS {
        ensure!(browser.set("coupon", "10 %").await.done(), "a field could not be set");
        let reader = browser.tab();
        let value = round.to_string();
        let reads = reader.slow("other", &value, Duration::from_millis(100));
        let removes = async {
            sleep(Duration::from_millis(50)).await;
            browser.post("/remove?name=coupon", "").await
        };
        let (read, removed) = tokio::join!(reads, removes);
        ensure!(
            read.done() && removed.done(),
            "round {round}: a request was not carried out"
        );
        undone += usize::from(browser.show("coupon").await?.contains_key("coupon"));
    }
    Ok(Finding::none(undone, ROUNDS))
}

async fn list_item(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    for n in 0..ROUNDS {
        let answer = browser.post("/add", &n.to_string()).await;
        ensure!(answer.done(), "POST /add was answered with {answer}");
    }
    let fields = browser.show("items").await?;
    let items = fields
        .get("items")
        .and_then(|items| items.as_array())
        .map_or(&[][..], Vec::as_slice);
    let stored = (0..ROUNDS)
        .filter(|&n| items.get(n) == Some(&json!(n.to_string())))
        .count();
    Ok(Finding::all(stored, ROUNDS))
}

async fn large_session(lab: &Lab) -> Result<Finding> {
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let sizes = [1, 16, 64, 256, 1024, 3072].map(|kibibytes: usize| kibibytes * 1024);
    let mut value = "small".to_owned();
    ensure!(browser.set("document", &value).await.done(), "a field could not be set");
    let mut right = 0;
    for size in sizes {
        let larger = "x".repeat(size);
        if browser.set("document", &larger).await.done() {
            value = larger;
        }
        let fields = browser.show("document,user").await?;
        right +=
            usize::from(fields.get("document") == Some(&json!(value)) && fields.get("user") == Some(&json!("ada")));
    }
    Ok(Finding::all(right, sizes.len()))
}
