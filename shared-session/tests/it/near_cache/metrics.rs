//! What the cache reports.

use std::collections::HashMap;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use shared_session::backend::Backend;
use shared_session_testkit::alone::alone;
use tokio::time::{Instant, sleep};

use super::{LIMIT, Processes, TTL, read};

/// Waits until a metric has been seen, and returns the values of all metrics that were seen meanwhile: the sum of a counter,
/// the last value of a gauge, the number of values in a histogram.
async fn wait_for(recorder: &Snapshotter, is_seen: impl Fn(&HashMap<String, f64>) -> bool) -> HashMap<String, f64> {
    let (began, mut seen) = (Instant::now(), HashMap::new());
    while !is_seen(&seen) {
        assert!(began.elapsed() < LIMIT, "{seen:?}");
        for (key, _, _, value) in recorder.snapshot().into_vec() {
            let name = key.key().name().to_owned();
            match value {
                DebugValue::Counter(count) => *seen.entry(name).or_default() += count as f64,
                DebugValue::Gauge(value) => drop(seen.insert(name, value.into_inner())),
                DebugValue::Histogram(values) => *seen.entry(name).or_default() += values.len() as f64,
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    seen
}

#[tokio::test]
async fn cache_reports_its_use_and_whether_it_is_off() {
    if !alone(cache_reports_its_use_and_whether_it_is_off) {
        return;
    }
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let mut processes = Processes::start(Duration::from_millis(200)).await;
    let seen = wait_for(&snapshotter, |seen| {
        seen.get("session.cache.size").is_some_and(|size| *size > 0.0)
    })
    .await;
    assert_eq!(seen["session.cache.off"], 0.0);
    assert!(
        seen["session.cache.lag"] > 0.0 && seen["session.cache.misses"] > 0.0,
        "{seen:?}"
    );

    // a busy machine may let the lease end
    while processes.cached.remembered("first", TTL).is_none() {
        read(&processes.cached, "first").await.unwrap();
    }
    processes.replace("first", "1", "2").await;
    let is_told = |seen: &HashMap<String, f64>| seen.get("session.cache.invalidations").is_some_and(|told| *told > 0.0);
    let seen = wait_for(&snapshotter, is_told).await;
    assert!(seen["session.cache.hits"] > 0.0, "{seen:?}");

    processes.server.kill();
    wait_for(&snapshotter, |seen| seen.get("session.cache.off") == Some(&1.0)).await;
}
