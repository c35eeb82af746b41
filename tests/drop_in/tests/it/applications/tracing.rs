//! tracing-actix-web around the sessions: a request that fails because of its session is recorded as an error.

use std::fmt;
use std::sync::{Arc, Mutex};

use actix_session::Session;
use actix_web::test::init_service;
use actix_web::{App, Result, web};
use tracing::field::{Field, Visit};
use tracing::span::{Id, Record};
use tracing_actix_web::TracingLogger;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::start;
use crate::support::Browser;

/// Collects what is recorded as the status of the spans of requests.
#[derive(Clone, Default)]
struct Statuses(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Statuses {
    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
}

impl Visit for Statuses {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "otel.status_code" {
            self.0.lock().unwrap().push(format!("{value:?}").replace('"', ""));
        }
    }
}

async fn count(session: Session) -> Result<String> {
    let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
    session.insert("count", count)?;
    Ok(count.to_string())
}

macro_rules! service {
    ($sessions:expr) => {{
        let app = App::new().route("/", web::get().to(count));
        init_service(app.wrap($sessions.middleware()).wrap(TracingLogger::default())).await
    }};
}

#[actix_web::test]
async fn session_that_cannot_be_loaded_is_recorded_as_an_error() {
    let statuses = Statuses::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(statuses.clone()));
    let (redis, sessions) = start().await;
    let (service, mut browser) = (service!(sessions), Browser::default());
    assert_eq!(browser.get(&service, "/").await.body, "1");
    let key: Vec<String> = redis.run(&["KEYS", "*"]);
    let () = redis.run(&["DEL", &key[0]]);
    let () = redis.run(&["LPUSH", &key[0], "a value of another type"]);
    assert!(browser.get(&service, "/").await.status.is_server_error());
    assert_eq!(*statuses.0.lock().unwrap(), ["OK", "ERROR"]);
}

#[actix_web::test]
async fn session_that_cannot_be_stored_is_recorded_as_an_error() {
    let statuses = Statuses::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(statuses.clone()));
    let (redis, sessions) = start().await;
    let service = service!(sessions);
    // Redis is full
    let () = redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(Browser::default().get(&service, "/").await.status.is_server_error());
    assert_eq!(*statuses.0.lock().unwrap(), ["ERROR"]);
}
