//! What the engine counts, for whoever fetches it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ::metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn};
use ::metrics::{Key, KeyName, Metadata, Recorder, SharedString, Unit};
use pyo3::prelude::*;

use crate::engine::{Engine, lock};

/// The metrics of a process: for each key the kind, the sum or the last value, and how many values there were.
pub type Metrics = Mutex<HashMap<Key, (&'static str, f64, u64)>>;

struct Global;

struct Metric {
    key: Key,
    kind: &'static str,
}

/// Sends what the engine counts to the engine of the process.
pub fn install() {
    let _ = ::metrics::set_global_recorder(Global);
}

impl Metric {
    fn of(key: &Key, kind: &'static str) -> Arc<Self> {
        let key = key.clone();
        Arc::new(Self { key, kind })
    }

    fn update(&self, update: impl FnOnce(&mut f64)) {
        if let Some(engine) = Engine::current() {
            let mut metrics = lock(&engine.metrics);
            let (_, value, count) = match metrics.get_mut(&self.key) {
                Some(metric) => metric,
                None => metrics.entry(self.key.clone()).or_insert((self.kind, 0.0, 0)),
            };
            update(value);
            *count += 1;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process counts to 2^53")]
impl CounterFn for Metric {
    fn increment(&self, more: u64) {
        self.update(|value| *value += more as f64);
    }

    fn absolute(&self, new: u64) {
        self.update(|value| *value = new as f64);
    }
}

impl GaugeFn for Metric {
    fn increment(&self, more: f64) {
        self.update(|value| *value += more);
    }

    fn decrement(&self, less: f64) {
        self.update(|value| *value -= less);
    }

    fn set(&self, new: f64) {
        self.update(|value| *value = new);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.update(|sum| *sum += value);
    }
}

impl Recorder for Global {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Metric::of(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Metric::of(key, "gauge"))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Metric::of(key, "histogram"))
    }
}

/// A metric: name, kind, labels, the sum or the last value, and the number of values.
type Row = (String, &'static str, HashMap<String, String>, f64, u64);

/// Returns the metrics of this process.
#[pyfunction]
pub fn metrics() -> Vec<Row> {
    let Some(engine) = Engine::current() else {
        return Vec::new();
    };
    let metrics = lock(&engine.metrics);
    let row = |(key, (kind, value, count)): (&Key, &(&'static str, f64, u64))| {
        let labels = key
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()));
        (key.name().to_owned(), *kind, labels.collect(), *value, *count)
    };
    metrics.iter().map(row).collect()
}
