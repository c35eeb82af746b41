//! A server that is suspended, and one that works for a while.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::Experiment;
use crate::experiment::Finding;
use crate::lab::{Connection, Lab, Server};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "pause",
        promise: "A server that was suspended carries out the requests that waited, and later ones",
        why: "The site was out of breath for a moment, and now treats a healthy store as dead. Visitors get errors \
              for no reason.",
        report: "https://github.com/redis/ioredis/issues/1613",
        counts: "requests carried out",
        is_long: false,
        needs_sentinel: false,
        run: |lab| Box::pin(pause(lab)),
    },
    Experiment {
        name: "soak",
        promise: "A server under load grows neither in memory nor in connections nor in keys",
        why: "The site runs well for days and then fails all at once. A restart helps for a while, and then it \
              happens again.",
        report: "https://github.com/adonisjs/redis/issues/15",
        counts: "what is more after 20 s of load than after 5 s",
        is_long: true,
        needs_sentinel: false,
        run: |lab| Box::pin(soak(lab)),
    },
];

async fn pause(lab: &Lab) -> Result<Finding> {
    const REQUESTS: usize = 10;
    let (_redis, server) = lab.stack().await?;
    let browser = server.signed_in("ada").await?;
    let changes = |name: &'static str| {
        let browser = &browser;
        join_all((0..REQUESTS).map(move |n| {
            let browser = browser.clone();
            async move { browser.set(&format!("{name}{n}"), "x").await.done() }
        }))
    };
    server.pause();
    let resume = async {
        sleep(Duration::from_secs(3)).await;
        server.resume();
    };
    let (waited, ()) = tokio::join!(changes("waited"), resume);
    let later = changes("later").await;
    let done = waited.iter().chain(&later).filter(|&&done| done).count();
    Ok(Finding::all(done, 2 * REQUESTS))
}

/// What a server has in use after a load.
struct Use {
    memory: u64,
    sockets: u64,
    keys: u64,
    failed: usize,
}

async fn soak(lab: &Lab) -> Result<Finding> {
    const MIB: u64 = 1024 * 1024;
    const POOL: u64 = 100;
    let (redis, server) = lab.stack().await?;
    // Redis may have no room for another connection later
    let mut connection = redis.connection().await?;
    let at_start = server.sockets();
    let mut before = after_load(&server, &mut connection, Duration::from_secs(5)).await?;
    // more than a pool has is a leak, which may have met the limit of Redis already
    before.sockets = before.sockets.min(at_start + POOL);
    let after = after_load(&server, &mut connection, Duration::from_secs(20)).await?;
    let is_bounded = after.memory <= before.memory + before.memory / 5 + 10 * MIB
        && after.sockets <= before.sockets + 10
        && after.keys <= before.keys + before.keys / 5 + 50;
    let more = |after: u64, before: u64| after.cast_signed() - before.cast_signed();
    let memory = more(after.memory, before.memory) / MIB.cast_signed();
    let sockets = more(after.sockets, before.sockets);
    let keys = more(after.keys, before.keys);
    let mut figure = format!("memory {memory:+} MiB, sockets {sockets:+}, keys {keys:+}");
    let failed = before.failed + after.failed;
    if failed > 0 {
        figure += &format!(", {failed} requests not carried out");
    }
    Ok(Finding::new(is_bounded && failed == 0, figure))
}

/// Lets browsers use the server for a time until all have logged out, and returns what it then has in use.
async fn after_load(server: &Server, redis: &mut Connection, time: Duration) -> Result<Use> {
    const BROWSERS: usize = 16;
    let end = Instant::now() + time;
    let failed = join_all((0..BROWSERS).map(|_| use_until(server, end))).await;
    // what was closed takes a moment to end
    sleep(Duration::from_secs(1)).await;
    Ok(Use {
        memory: server.memory(),
        sockets: server.sockets(),
        keys: lasting_keys(redis).await?,
        failed: failed.iter().sum(),
    })
}

/// Uses one session after another, and returns how many requests were not carried out.
async fn use_until(server: &Server, end: Instant) -> usize {
    let requests = [
        ("/set?name=cart", "bread"),
        ("/session", "ada"),
        ("/add", "milk"),
        ("/count", ""),
        ("/remove?name=cart", ""),
        ("/renew", ""),
        ("/set?name=note", "x"),
        ("/logout", ""),
    ];
    let mut failed = 0;
    while Instant::now() < end {
        let browser = server.browser();
        for (path, body) in requests {
            failed += usize::from(!browser.get("user").await.done());
            failed += usize::from(!browser.post(path, body).await.done());
        }
    }
    failed
}

/// Returns the number of keys that do not expire within two minutes, as a note of a renewal does.
async fn lasting_keys(redis: &mut Connection) -> Result<u64> {
    let script = "local count = 0 \
                  for _, key in ipairs(redis.call('KEYS', '*')) do \
                      local left = redis.call('TTL', key) \
                      if left < 0 or left >= 120 then count = count + 1 end \
                  end \
                  return count";
    redis.command(&["EVAL", script, "0"]).await
}
