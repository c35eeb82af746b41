//! A Redis that hangs, ends, is full, or refuses.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::crowd::{Crowd, OUTCOMES, RECOVERY, USERS};
use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Browser, Lab, Redis};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "redis-hung",
        promise: "When Redis hangs, no request waits for ever, and nobody is signed out",
        why: "Pages load for ever and show nothing, not even an error. The whole site looks dead although only one \
              part behind it has stopped.",
        report: "https://github.com/redis/ioredis/issues/634",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(hung(lab)),
    },
    Experiment {
        name: "redis-killed",
        promise: "When Redis restarts with its data, no change is lost, and nobody is signed out",
        why: "A restart of one minute turns into an outage that lasts until someone notices. Until then nobody can \
              sign in.",
        report: "https://github.com/robinfehr/sessionstore/issues/49",
        counts: OUTCOMES,
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(killed(lab)),
    },
    Experiment {
        name: "redis-empty",
        promise: "When Redis has lost everything, users can read and sign in again",
        why: "After the store is emptied every returning visitor gets an error page, rather than simply being \
              asked to sign in again.",
        report: "https://github.com/senchalabs/connect/issues/463",
        counts: "users with an old cookie who could",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(empty(lab)),
    },
    Experiment {
        name: "redis-full",
        promise: "When Redis is full, no change is lost, and nobody is signed out",
        why: "The store fills up at the busiest hour, and just then nobody can sign in or pay.",
        report: "https://support.sitecore.com/kb?id=kb_article_view&sysparm_article=KB0175524",
        counts: OUTCOMES,
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(full(lab)),
    },
    Experiment {
        name: "redis-read-only",
        promise: "When Redis has become a replica, no change is lost, and nobody is signed out",
        why: "Pages still open, but nothing can be saved: no sign-in, no cart. The spare server is there, yet the \
              site does not use it properly.",
        report: "https://github.com/Azure/aspnet-redis-providers/issues/130",
        counts: OUTCOMES,
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(read_only(lab)),
    },
    Experiment {
        name: "redis-loading",
        promise: "While Redis loads its data, nobody is signed out",
        why: "After a restart visitors get errors or seem signed out, although all their data is about to be there \
              again.",
        report: "https://github.com/redis/ioredis/issues/1015",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(loading(lab)),
    },
    Experiment {
        name: "redis-refusing",
        promise: "While Redis refuses connections, no change is lost, and nobody is signed out",
        why: "When many people come at once the site turns some of them away with an error, and just then it \
              matters most.",
        report: "https://github.com/beego/beego/issues/3500",
        counts: OUTCOMES,
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(refusing(lab)),
    },
];

/// What a fault that is answered at once is tried with.
const ROUNDS: usize = 3;

async fn hung(lab: &Lab) -> Result<Finding> {
    let (redis, server) = lab.stack().await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    redis.pause();
    crowd.requests().await;
    redis.resume();
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

async fn killed(lab: &Lab) -> Result<Finding> {
    let mut redis = lab.redis(&["--appendonly", "yes", "--appendfsync", "always"]).await?;
    let server = lab.server(&redis.url()).await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    redis.kill();
    crowd.requests().await;
    redis.spawn()?;
    redis.wait().await?;
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

async fn empty(lab: &Lab) -> Result<Finding> {
    const USERS: usize = 20;
    let (mut redis, server) = lab.stack().await?;
    let mut browsers = Vec::new();
    for _ in 0..USERS {
        browsers.push(server.signed_in("ada").await?);
    }
    redis.kill();
    redis.spawn()?;
    redis.wait().await?;
    let end = Instant::now() + RECOVERY;
    let signed_in = join_all(browsers.into_iter().map(|browser| signs_in_again(browser, end))).await;
    Ok(Finding::all(signed_in.iter().filter(|&&done| done).count(), USERS))
}

async fn signs_in_again(browser: Browser, end: Instant) -> bool {
    loop {
        let is_read = browser.show("user").await.is_ok();
        if is_read && browser.sign_in("bea").await.done() && browser.shows_user("bea").await {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

async fn full(lab: &Lab) -> Result<Finding> {
    // without an eviction policy, which is the default
    between(lab, "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0").await
}

async fn read_only(lab: &Lab) -> Result<Finding> {
    // nobody listens there, so it stays as it is
    between(lab, "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE").await
}

/// Sends requests between two commands that begin and end a fault.
async fn between(lab: &Lab, begin: &str, end: &str) -> Result<Finding> {
    let (redis, server) = lab.stack().await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    let mut connection = redis.connection().await?;
    connection.command::<()>(&words(begin)).await?;
    for _ in 0..ROUNDS {
        crowd.requests().await;
    }
    connection.command::<()>(&words(end)).await?;
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

async fn loading(lab: &Lab) -> Result<Finding> {
    // waits for 1 ms after each key that it loads, and serves clients once per KiB
    let slowly = "--key-load-delay 1000 --loading-process-events-interval-bytes 1024 --rdbcompression no";
    let mut redis = lab.redis(&words(slowly)).await?;
    redis.command::<()>(&words("DEBUG POPULATE 4000 filler 1024")).await?;
    let server = lab.server(&redis.url()).await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    redis.command::<()>(&["SAVE"]).await?;
    redis.kill();
    redis.spawn()?;
    timeout(RECOVERY, loads(&redis))
        .await
        .context("Redis does not load slowly")?;
    for _ in 0..ROUNDS {
        crowd.requests().await;
        sleep(Duration::from_millis(500)).await;
    }
    redis.wait().await?;
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

/// Waits until Redis listens and loads its data.
async fn loads(redis: &Redis) {
    let information = || redis.command::<String>(&["INFO", "persistence"]);
    while !information().await.is_ok_and(|text| text.contains("loading:1")) {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn refusing(lab: &Lab) -> Result<Finding> {
    let (redis, server) = lab.stack().await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    let mut connection = redis.connection().await?;
    let usual: (String, String) = connection.command(&words("CONFIG GET maxclients")).await?;
    // this connection is the one
    connection.command::<()>(&words("CONFIG SET maxclients 1")).await?;
    connection
        .command::<i64>(&words("CLIENT KILL TYPE normal SKIPME yes"))
        .await?;
    for _ in 0..ROUNDS {
        crowd.requests().await;
    }
    connection
        .command::<()>(&["CONFIG", "SET", "maxclients", &usual.1])
        .await?;
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}
