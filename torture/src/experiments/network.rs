//! A network between the server and Redis that forgets, loses and closes connections, and a fail-over.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::crowd::{Crowd, OUTCOMES, RECOVERY, USERS};
use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Connection, Lab, Loss, Proxy};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "idle-connection",
        promise: "Connections to Redis that a firewall has forgotten are replaced",
        why: "The first visitor in the morning waits and waits in front of an empty page, and leaves.",
        report: "https://github.com/redis/node-redis/issues/1231",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(idle_connection(lab)),
    },
    Experiment {
        name: "lost-replies",
        promise: "When requests to Redis or its replies are lost, no change is lost or repeated",
        why: "A click can count twice, or be reported as failed although it worked. The visitor cannot know which, \
              and neither can the site.",
        report: "https://github.com/redis/redis-py/issues/261",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(lost_replies(lab)),
    },
    Experiment {
        name: "killed-connections",
        promise: "No change is lost while connections to Redis are closed all the time",
        why: "Connections break when a proxy restarts or a server is busy, and what the page confirmed is lost.",
        report: "https://github.com/phpredis/phpredis/issues/571",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(killed_connections(lab)),
    },
    Experiment {
        name: "fail-over",
        promise: "After a fail-over by Sentinels the server works again, and all sessions are alive",
        why: "The owner pays for a spare server so that nobody notices a failure, and the site is down all the \
              same.",
        report: "https://github.com/spring-projects/spring-data-redis/issues/1952",
        counts: OUTCOMES,
        is_long: true,
        needs_sentinel: true,
        run: |lab| Box::pin(fail_over(lab)),
    },
];

async fn idle_connection(lab: &Lab) -> Result<Finding> {
    let redis = lab.redis(&[]).await?;
    let proxy = Proxy::start(redis.port()).await?;
    let server = lab.server(&proxy.url()).await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    proxy.forget_connections();
    crowd.requests().await;
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

async fn lost_replies(lab: &Lab) -> Result<Finding> {
    let redis = lab.redis(&[]).await?;
    let proxy = Proxy::start(redis.port()).await?;
    let server = lab.server(&proxy.url()).await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    for loss in [Loss::Replies, Loss::Requests] {
        proxy.lose(loss);
        crowd.requests().await;
        proxy.lose(Loss::Nothing);
        crowd.check(RECOVERY).await;
    }
    tokio::select! {
        () = crowd.changes(200, Duration::ZERO) => {}
        () = lose_for_moments(&proxy) => {}
    }
    proxy.lose(Loss::Nothing);
    crowd.check(RECOVERY).await;
    Ok(crowd.finding())
}

/// Loses what is sent for moments, so that some requests lose only their last command, or its reply.
async fn lose_for_moments(proxy: &Proxy) {
    for loss in [Loss::Replies, Loss::Requests].into_iter().cycle() {
        proxy.lose(loss);
        sleep(Duration::from_millis(10)).await;
        proxy.lose(Loss::Nothing);
        sleep(Duration::from_millis(20)).await;
    }
}

async fn killed_connections(lab: &Lab) -> Result<Finding> {
    const USERS: usize = 8;
    const KILLING: Duration = Duration::from_secs(4);
    let (redis, server) = lab.stack().await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    let connection = redis.connection().await?;
    let changes = crowd.changes(100, Duration::from_millis(30));
    // goes on until the time is over
    let killing = timeout(KILLING, kill_connections(connection));
    let (_, killed) = tokio::join!(changes, killing);
    killed.unwrap_or(Ok(()))?;
    crowd.check(RECOVERY).await;
    let figure = format!("{} ({} with an error)", crowd.figure(), crowd.refused());
    Ok(Finding::new(crowd.is_well(), figure))
}

/// Closes all other connections to Redis, again and again.
async fn kill_connections(mut connection: Connection) -> Result<()> {
    let mut interval = interval(Duration::from_millis(50));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        connection
            .command::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .await?;
    }
}

async fn fail_over(lab: &Lab) -> Result<Finding> {
    /// The Sentinels themselves need some of it.
    const FAIL_OVER: Duration = Duration::from_secs(60);
    let mut sentinels = lab.sentinels().await?;
    let server = lab.server(&sentinels.url()).await?;
    let mut crowd = Crowd::sign_in(&server, USERS).await?;
    sentinels.kill_primary().await?;
    crowd.requests().await;
    crowd.check(FAIL_OVER).await;
    Ok(crowd.finding())
}
