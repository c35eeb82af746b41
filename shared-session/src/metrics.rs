//! What the library reports through the `metrics` facade. No label holds an id, a key, a value or the name of a host.
//! Without the feature `metrics`, the functions do nothing.

#[cfg(feature = "redis")]
use std::time::Duration;

use tokio::time::Instant;

const OPERATION_DURATION: &str = "db.client.operation.duration";
pub(crate) const CREATED: &str = "session.created";
pub(crate) const RENEWED: &str = "session.renewed";
pub(crate) const DESTROYED: &str = "session.destroyed";
pub(crate) const REVOKED: &str = "session.revoked";
const REFUSED: &str = "session.requests.refused";
pub(crate) const RETRIES: &str = "session.compare_and_set.retries";
const RECORD_SIZE: &str = "session.record.size";
const OPEN_CIRCUITS: &str = "session.circuit_breaker.open";
#[cfg(feature = "redis")]
pub(crate) const CACHE_HITS: &str = "session.cache.hits";
#[cfg(feature = "redis")]
pub(crate) const CACHE_MISSES: &str = "session.cache.misses";
#[cfg(feature = "redis")]
pub(crate) const CACHE_INVALIDATIONS: &str = "session.cache.invalidations";
#[cfg(feature = "redis")]
const CACHE_SIZE: &str = "session.cache.size";
#[cfg(feature = "redis")]
const CACHE_LAG: &str = "session.cache.lag";
#[cfg(feature = "redis")]
const CACHE_OFF: &str = "session.cache.off";
#[cfg(feature = "redis")]
const CLOCK_SKEW: &str = "session.store.clock_skew";

const STATUS: &str = "http.response.status_code";
#[cfg(feature = "metrics")]
const STATUSES: [&str; 4] = ["409", "413", "500", "503"];

type Labels<'a> = &'a [(&'static str, &'static str)];

/// Tells the recorder the units and the meanings. Reports all circuits as closed, and begins to count at 0, because nobody could
/// tell the first increment of a counter that appears with it.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
        describe_histogram!(
            OPERATION_DURATION,
            Unit::Seconds,
            "Duration of the operations of the session store"
        );
        describe_counter!(CREATED, "Sessions that were created");
        describe_counter!(RENEWED, "Sessions that got a new id");
        describe_counter!(DESTROYED, "Sessions that were destroyed by their own log-out");
        describe_counter!(REVOKED, "Sessions that were revoked from elsewhere");
        describe_counter!(REFUSED, "Requests that failed because of their session");
        describe_counter!(RETRIES, "Writes that found the record changed by another request");
        describe_histogram!(RECORD_SIZE, Unit::Bytes, "Size of the records that were written");
        describe_gauge!(OPEN_CIRCUITS, "Number of shards whose circuit is open");
        #[cfg(feature = "redis")]
        {
            describe_counter!(CACHE_HITS, "Reads that the session cache served");
            describe_counter!(CACHE_MISSES, "Reads that the session cache passed on to Redis");
            describe_counter!(
                CACHE_INVALIDATIONS,
                "Changes of remembered records that Redis announced"
            );
            describe_gauge!(CACHE_SIZE, Unit::Bytes, "Size of the records in the session cache");
            describe_histogram!(
                CACHE_LAG,
                Unit::Seconds,
                "How long Redis took to confirm that the session cache is up to date"
            );
            describe_gauge!(CACHE_OFF, "1 while a session cache is configured, but off");
        }
        #[cfg(feature = "redis")]
        describe_gauge!(
            CLOCK_SKEW,
            Unit::Seconds,
            "How far the clock of this process is ahead of the session store's"
        );
    }
    open_circuits(0);
    #[cfg(feature = "metrics")]
    {
        for name in [CREATED, RENEWED, DESTROYED, REVOKED, RETRIES] {
            metrics::counter!(name).increment(0);
        }
        for status in STATUSES {
            metrics::counter!(REFUSED, STATUS => status).increment(0);
        }
    }
}

/// Reports an operation of the backend `system`, and the kind of its error, if it failed.
pub(crate) fn operation_ended(system: &'static str, name: &'static str, began: Instant, error: Option<&'static str>) {
    let labels = [
        ("db.system.name", system),
        ("db.operation.name", name),
        ("error.type", error.unwrap_or_default()),
    ];
    // without an error there is no such label
    let labels = if error.is_some() { &labels[..] } else { &labels[..2] };
    record(OPERATION_DURATION, labels, || began.elapsed().as_secs_f64());
}

/// Adds one to a counter without labels.
pub(crate) fn count(name: &'static str) {
    add(name, &[]);
}

/// Reports a request that failed because of its session.
pub(crate) fn request_refused(status: u16) {
    let status = match status {
        409 => "409",
        413 => "413",
        503 => "503",
        _ => "500",
    };
    add(REFUSED, &[(STATUS, status)]);
}

pub(crate) fn record_written(size: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a record is smaller than 2^52 bytes")]
    record(RECORD_SIZE, &[], || size as f64);
}

/// Reports the number of shards whose circuit is open.
pub(crate) fn open_circuits(number: u32) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(OPEN_CIRCUITS).set(f64::from(number));
    #[cfg(not(feature = "metrics"))]
    let _ = (OPEN_CIRCUITS, number);
}

/// Reports how many seconds the clock of this process is ahead of the store's.
#[cfg(feature = "redis")]
pub(crate) fn clock_skew(seconds: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(CLOCK_SKEW).set(seconds);
    #[cfg(not(feature = "metrics"))]
    let _ = (CLOCK_SKEW, seconds);
}

/// Reports that a cache of sessions is on, its size in bytes, and how long Redis took to confirm that it is up to date.
#[cfg(feature = "redis")]
pub(crate) fn cache_is_on(size: u64, lag: Duration) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(CACHE_OFF).set(0.0);
    #[cfg(feature = "metrics")]
    #[expect(clippy::cast_precision_loss, reason = "a cache is smaller than 2^52 bytes")]
    metrics::gauge!(CACHE_SIZE).set(size as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = (CACHE_OFF, CACHE_SIZE, size);
    record(CACHE_LAG, &[], || lag.as_secs_f64());
}

/// Reports that a cache of sessions is off, as at its start. Lets the counters begin at 0.
#[cfg(feature = "redis")]
pub(crate) fn cache_is_off() {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!(CACHE_OFF).set(1.0);
        for name in [CACHE_HITS, CACHE_MISSES, CACHE_INVALIDATIONS] {
            metrics::counter!(name).increment(0);
        }
    }
}

fn add(name: &'static str, labels: Labels<'_>) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, labels).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels);
}

/// Adds a value to a histogram. The value is a function, because it is not needed without the feature.
fn record(name: &'static str, labels: Labels<'_>, value: impl FnOnce() -> f64) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(name, labels).record(value());
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels, value);
}
