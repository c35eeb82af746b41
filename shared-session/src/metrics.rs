//! What the library reports through the `metrics` facade. It is the one place that knows the names. No label holds an id,
//! a key or a value. Without the feature `metrics`, `metrics_disabled.rs` takes the place of this file.

use std::time::Instant;

use crate::backend::BackendError;

const OPERATION_DURATION: &str = "db.client.operation.duration";
const CREATED: &str = "session.created";
const RENEWED: &str = "session.renewed";
const DESTROYED: &str = "session.destroyed";
const REVOKED: &str = "session.revoked";
const REFUSED: &str = "session.requests.refused";
const RETRIES: &str = "session.compare_and_set.retries";
const RECORD_SIZE: &str = "session.record.size";
const CIRCUIT_OPEN: &str = "session.circuit_breaker.open";

/// A running operation of the backend. Its end is reported once.
pub(crate) struct Operation {
    system: &'static str,
    name: &'static str,
    started: Instant,
}

impl Operation {
    /// Begins to measure the operation `name` of a backend, which calls itself `system`.
    pub fn begin(system: &'static str, name: &'static str) -> Self {
        Self {
            system,
            name,
            started: Instant::now(),
        }
    }

    /// Reports how long the operation took, and how it failed. Without a result there was no reply in time.
    pub fn end<T>(self, result: Option<&Result<T, BackendError>>) {
        let mut labels = vec![
            metrics::Label::from_static_parts("db.system.name", self.system),
            metrics::Label::from_static_parts("db.operation.name", self.name),
        ];
        let error = match result {
            Some(Ok(_)) => None,
            Some(Err(BackendError::Unavailable { .. })) => Some("unavailable"),
            Some(Err(BackendError::Refused { .. })) => Some("refused"),
            Some(Err(BackendError::WrongType { .. })) => Some("wrong_type"),
            None => Some("timeout"),
        };
        labels.extend(error.map(|error| metrics::Label::from_static_parts("error.type", error)));
        metrics::histogram!(OPERATION_DURATION, labels).record(self.started.elapsed());
    }
}

/// Tells the recorder the units and the meanings. Reports the circuit as closed.
pub(crate) fn describe() {
    use metrics::Unit;
    metrics::describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "Duration of the operations of the session store"
    );
    metrics::describe_counter!(CREATED, "Sessions that were created");
    metrics::describe_counter!(RENEWED, "Sessions that got a new id");
    metrics::describe_counter!(DESTROYED, "Sessions that were destroyed by their own log-out");
    metrics::describe_counter!(REVOKED, "Sessions that were revoked from elsewhere");
    metrics::describe_counter!(REFUSED, "Requests that were answered with an error of the session");
    metrics::describe_counter!(RETRIES, "Writes that found the record changed by another process");
    metrics::describe_histogram!(RECORD_SIZE, Unit::Bytes, "Size of the records that were written");
    metrics::describe_gauge!(CIRCUIT_OPEN, "1 while the circuit breaker is open, else 0");
    circuit_is_open(false);
}

pub(crate) fn session_created() {
    count(CREATED);
}

pub(crate) fn session_renewed() {
    count(RENEWED);
}

pub(crate) fn session_destroyed() {
    count(DESTROYED);
}

pub(crate) fn session_revoked() {
    count(REVOKED);
}

/// Reports a write that found another record than it expected. It is then tried on that one.
pub(crate) fn compare_and_set_failed() {
    count(RETRIES);
}

/// Reports a request that was answered with an error of the session.
pub(crate) fn request_refused(status: u16) {
    metrics::counter!(REFUSED, "http.response.status_code" => status.to_string()).increment(1);
}

pub(crate) fn record_written(size: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a record is smaller than 2^52 bytes")]
    metrics::histogram!(RECORD_SIZE).record(size as f64);
}

pub(crate) fn circuit_is_open(open: bool) {
    metrics::gauge!(CIRCUIT_OPEN).set(f64::from(u8::from(open)));
}

fn count(name: &'static str) {
    metrics::counter!(name).increment(1);
}
