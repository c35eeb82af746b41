//! The engine's log lines on their way to JavaScript.

use log::{Level, LevelFilter, Log, Metadata, Record};
use napi::Status;
use napi::bindgen_prelude::FnArgs;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use parking_lot::Mutex;

/// How many lines wait for a busy JavaScript thread. Further ones are dropped.
const WAITING: usize = 256;

/// A JavaScript function that gets the level and the text. It does not keep its thread alive.
type Listener =
    ThreadsafeFunction<FnArgs<(String, String)>, (), FnArgs<(String, String)>, Status, false, true, WAITING>;

/// The listeners of all JavaScript threads, the oldest first.
static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

struct ToJavaScript;

/// Sends the engine's log lines to `listener`, unless another thread's listener was there before and is alive.
#[napi]
pub fn listen_to_log(listener: Listener) {
    LISTENERS.lock().push(listener);
    if log::set_logger(&ToJavaScript).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for ToJavaScript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info && metadata.target().starts_with("shared_session")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = record.level().as_str().to_ascii_lowercase();
        let line = (level, record.args().to_string());
        let mut listeners = LISTENERS.lock();
        while let Some(listener) = listeners.first() {
            match listener.call(line.clone().into(), ThreadsafeFunctionCallMode::NonBlocking) {
                Status::Ok | Status::QueueFull => return,
                // its thread has ended
                _ => drop(listeners.remove(0)),
            }
        }
    }

    fn flush(&self) {}
}
