//! What sessions cost Redis.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Browser, Lab, Redis};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "empty-visits",
        promise: "A visit without state costs nothing: no key, no cookie",
        why: "Search robots and scripts can fill the store with empty entries. When it is full or slow, real \
              visitors can no longer sign in or shop.",
        report: "https://github.com/expressjs/session/issues/232",
        counts: "visits that left a key or a cookie",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(empty_visits(lab)),
    },
    Experiment {
        name: "commands-per-read",
        promise: "A read is one Redis command, and extends the idle time",
        why: "Every page pays for this extra work. On a busy day pages get slower, and the site's owner pays for a \
              bigger server than the site needs.",
        report: "https://github.com/spring-projects/spring-session/issues/1182",
        counts: "commands for a read",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(commands_per_read(lab)),
    },
    Experiment {
        name: "expiry",
        promise: "Every key expires",
        why: "Sessions of people who left long ago stay for ever. The store grows until it is full, and an old \
              sign-in may still work years later.",
        report: "https://github.com/redis-store/redis-store/issues/179",
        counts: "keys without an expiry",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(expiry(lab)),
    },
];

async fn empty_visits(lab: &Lab) -> Result<Finding> {
    const VISITS: usize = 20;
    let (redis, server) = lab.stack().await?;
    let mut costly = 0;
    for _ in 0..VISITS {
        let before = redis.keys().await?.len();
        let answer = server.browser().get("user").await;
        ensure!(
            answer.done(),
            "GET /session without a cookie was answered with {answer}"
        );
        costly += usize::from(answer.sets_cookie || redis.keys().await?.len() > before);
    }
    Ok(Finding::none(costly, VISITS))
}

async fn commands_per_read(lab: &Lab) -> Result<Finding> {
    const READS: u64 = 50;
    let (redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    // reads until every process has its connection
    for _ in 0..READS {
        browser.show("user").await?;
    }
    let commands = redis.commands().await?;
    for _ in 0..READS {
        browser.show("user").await?;
    }
    // a process may write what it noted after it answered
    sleep(Duration::from_millis(200)).await;
    let each = (commands.stop().await? as f64 / READS as f64 * 10.0).round() / 10.0;
    let extends = extends_idle_time(&redis, &browser).await?;
    let figure = if extends {
        each.to_string()
    } else {
        format!("{each}, and the idle time is not extended")
    };
    Ok(Finding::new(each <= 1.0 && extends, figure))
}

/// Returns whether a read raises the time that a session has left.
async fn extends_idle_time(redis: &Redis, browser: &Browser) -> Result<bool> {
    const LEFT: i64 = 600;
    for key in redis.keys().await? {
        redis.command::<i64>(&["EXPIRE", &key, &LEFT.to_string()]).await?;
    }
    browser.show("user").await?;
    sleep(Duration::from_millis(200)).await;
    let mut longest = 0;
    for key in redis.keys().await? {
        longest = longest.max(redis.command::<i64>(&["TTL", &key]).await?);
    }
    Ok(longest > LEFT)
}

async fn expiry(lab: &Lab) -> Result<Finding> {
    let (redis, server) = lab.stack().await?;
    for round in 0..5 {
        let browser = server.signed_in(&format!("user{round}")).await?;
        browser.set("a", "1").await;
        browser.post("/add", "bread").await;
        browser.post("/count", "").await;
        browser.post("/remove?name=a", "").await;
        browser.post("/renew", "").await;
        browser.sign_in("other").await;
        if round % 2 == 0 {
            browser.log_out().await;
        }
    }
    let keys = redis.keys().await?;
    let mut eternal = 0;
    for key in &keys {
        // -1: no expiry; -2: gone since
        eternal += usize::from(redis.command::<i64>(&["TTL", key]).await? == -1);
    }
    ensure!(!keys.is_empty(), "no session is in Redis");
    Ok(Finding::none(eternal, keys.len()))
}
