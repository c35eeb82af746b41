//! What the library reports through the `metrics` facade, after requests whose effects are known.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpRequest, HttpResponse, web};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::{Format, Registry, Session, SessionManager, Settings};
use shared_session_testkit::TestClock;
use shared_session_testkit::faulty::{Fault, Faulty};
use tokio::time::sleep;

/// A metric with its labels, such as `session.created` or `db.client.operation.duration{db.operation.name=load}`.
type Metric = (MetricKind, String, DebugValue);

/// Returns what was reported since the last call.
fn take(recorder: &Snapshotter) -> Vec<Metric> {
    let metrics = recorder.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let (kind, key) = key.into_parts();
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        (kind, format!("{}{{{}}}", key.name(), labels.join(",")), value)
    });
    metrics.collect()
}

/// The sum of the counters, or the number of values in the histograms, whose text contains `name`.
fn count(metrics: &[Metric], name: &str) -> u64 {
    let matching = metrics.iter().filter(|(_, metric, _)| metric.contains(name));
    matching
        .map(|(_, _, value)| match value {
            DebugValue::Counter(count) => *count,
            DebugValue::Histogram(values) => values.len() as u64,
            DebugValue::Gauge(_) => panic!("{name} is a gauge"),
        })
        .sum()
}

fn circuit_is_open(metrics: &[Metric]) -> Option<f64> {
    metrics.iter().find_map(|(_, metric, value)| match value {
        DebugValue::Gauge(value) if metric.starts_with("session.circuit_breaker.open{") => Some(value.into_inner()),
        _ => None,
    })
}

async fn act(
    request: HttpRequest,
    session: Session,
    verb: web::Path<String>,
    registry: web::Data<Registry>,
    memory: web::Data<Memory>,
) -> HttpResponse {
    match verb.as_str() {
        "insert" => session.insert("userid", "user-4711").unwrap(),
        "change" => session.insert("a", "value-4711").unwrap(),
        "renew" => session.renew(),
        "purge" => session.purge(),
        "revoke" => drop(registry.revoke_all("user-4711").await.unwrap()),
        // another request revokes the session while this one changes it
        "conflict" => {
            session.insert("a", 1).unwrap();
            registry.revoke_all("user-4711").await.unwrap();
        }
        // another process changes the record while this request changes it
        "contend" => {
            let id = request.cookie("sid").unwrap();
            let id = Format::Json.ids().parse(id.value().as_bytes()).unwrap();
            let key = Format::Json.ids().key("session:", &id);
            let (record, ttl) = memory.peek(key.as_str()).await.unwrap().unwrap();
            let changed = String::from_utf8(record.to_vec())
                .unwrap()
                .replacen('{', r#"{"b":1,"#, 1);
            memory
                .replace(key.as_str(), &record, changed.as_bytes(), ttl)
                .await
                .unwrap();
            session.insert("c", 1).unwrap();
        }
        other => panic!("unknown verb: {other}"),
    }
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn requests_are_counted_and_no_label_holds_an_id_a_key_or_a_value() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    // for this thread, on which the whole test runs
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let clock = TestClock::default();
    let memory = Arc::new(Memory::new(clock.clock()));
    let backend = Arc::new(Faulty::new(memory.clone(), Fault::Never));
    let sessions = SessionManager::builder(&Settings::default())
        .backend(backend.clone())
        .build()
        .unwrap();
    let routes = web::scope("")
        .wrap(sessions.middleware())
        .app_data(web::Data::new(sessions.registry()))
        .app_data(web::Data::from(memory))
        .route("/{verb}", web::get().to(act));
    let app = init_service(App::new().service(routes)).await;
    let send = async |verb: &str, cookie: &mut Option<String>| {
        let mut request = TestRequest::get().uri(&format!("/{verb}"));
        if let Some(cookie) = cookie {
            request = request.insert_header(("cookie", format!("sid={cookie}")));
        }
        let response = app.call(request.to_request()).await.unwrap();
        if let Some(set) = response.response().cookies().next() {
            *cookie = Some(set.value().to_owned());
        }
        response.status()
    };
    let mut everything = String::new();
    let mut taken = || {
        let metrics = take(&snapshots);
        everything += &format!("{metrics:?}");
        metrics
    };
    assert_eq!(circuit_is_open(&taken()), Some(0.0));

    let mut cookie = None;
    assert_eq!(send("insert", &mut cookie).await, 200);
    let metrics = taken();
    let ids = [cookie.clone().unwrap()];
    assert_eq!(count(&metrics, "session.created"), 1);
    assert_eq!(count(&metrics, "session.record.size"), 1);
    for operation in ["create", "index_add"] {
        let name = format!("db.client.operation.duration{{db.system.name=memory,db.operation.name={operation}}}");
        assert_eq!(count(&metrics, &name), 1, "{metrics:?}");
    }

    for verb in ["change", "renew"] {
        assert_eq!(send(verb, &mut cookie).await, 200);
    }
    let metrics = taken();
    assert_eq!(count(&metrics, "session.created"), 0);
    assert_eq!(count(&metrics, "session.renewed"), 1);
    assert_eq!(count(&metrics, "db.operation.name=load"), 2);
    assert_eq!(count(&metrics, "db.operation.name=replace"), 2);
    assert_eq!(count(&metrics, "session.record.size"), 2);

    assert_eq!(send("contend", &mut cookie).await, 200);
    assert_eq!(count(&taken(), "session.compare_and_set.retries"), 1);

    assert_eq!(send("purge", &mut cookie).await, 200);
    let metrics = taken();
    assert_eq!(count(&metrics, "session.destroyed"), 1);
    assert_eq!(count(&metrics, "session.revoked"), 0);

    let (mut one, mut other) = (None, None);
    send("insert", &mut one).await;
    send("insert", &mut other).await;
    assert_eq!(send("revoke", &mut other).await, 200);
    let metrics = taken();
    assert_eq!(count(&metrics, "session.revoked"), 2);
    assert_eq!(count(&metrics, "session.destroyed"), 0);

    let mut cookie = None;
    send("insert", &mut cookie).await;
    assert_eq!(send("conflict", &mut cookie).await, 409);
    assert_eq!(
        count(&taken(), "session.requests.refused{http.response.status_code=409}"),
        1
    );

    // three failures open the circuit, and the fourth request does not reach the backend
    let mut cookie = None;
    send("insert", &mut cookie).await;
    taken();
    backend.set_unreachable(true);
    for _ in 0..4 {
        assert_eq!(send("change", &mut cookie).await, 503);
    }
    let metrics = taken();
    assert_eq!(
        count(&metrics, "session.requests.refused{http.response.status_code=503}"),
        4
    );
    assert_eq!(count(&metrics, "db.operation.name=load,error.type=unavailable"), 3);
    assert_eq!(circuit_is_open(&metrics), Some(1.0));
    backend.set_unreachable(false);
    let mut open = Some(1.0);
    for _ in 0..100 {
        sleep(Duration::from_millis(50)).await;
        open = circuit_is_open(&taken());
        if open == Some(0.0) {
            break;
        }
    }
    assert_eq!(open, Some(0.0));

    for secret in ids.iter().chain(&cookie).map(String::as_str) {
        assert!(
            !everything.contains(secret) && !everything.contains(&secret[..20]),
            "an id or a key is reported"
        );
    }
    assert!(!everything.contains("4711"), "a value is reported");
}
