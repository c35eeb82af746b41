//! `/metrics`: what the process reports through the `metrics` facade, as text for Prometheus.
//!
//! The recorder belongs to the process, so the services of a test share it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::middleware::Next;
use actix_web::rt;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Responder};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::resource;
use crate::Service;

const PATH: &str = "/metrics";

const REQUEST_DURATION: &str = "http.server.request.duration";

/// How often the recorder puts new values into the histograms' buckets. Until then they take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The upper limits of durations in seconds. The store's timeout is 500 ms, unless it is set to another value.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// The upper limits of sizes in bytes. The size of a record is limited to 256 KiB, unless it is set to another value.
const BYTES: [f64; 7] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Records the metrics of the process from now on. A second call does nothing. Must be called in an actix runtime.
pub(crate) fn record(service: &Service) {
    RECORDER.get_or_init(|| {
        let buckets = |builder: PrometheusBuilder, suffix: &str, buckets| {
            let builder = builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets);
            builder.unwrap_or_else(|_| unreachable!("the buckets are not empty"))
        };
        let builder = PrometheusBuilder::new().with_recommended_naming(true);
        let builder = buckets(builder, "duration", &SECONDS);
        let builder = buckets(builder, "lag", &SECONDS);
        let builder = buckets(builder, "size", &BYTES);
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // fails if a recorder exists, which then keeps the metrics
        let _ = metrics::set_global_recorder(recorder);
        describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Duration of the requests");
        describe_gauge!("build_info", "The version of the service");
        describe_counter!("log_lines_lost", "Lines of the log that could not be written");
        handle
    });
    gauge!("build_info", "service" => service.name, "version" => service.version).set(1);
    rt::spawn(async {
        loop {
            rt::time::sleep(UPKEEP).await;
            if let Some(recorder) = RECORDER.get() {
                recorder.run_upkeep();
            }
        }
    });
}

/// Measures a request. The labels have few values, whatever clients send: the path is the pattern of a route.
pub(crate) async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let began = Instant::now();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "_OTHER",
    };
    let route = request.match_pattern().unwrap_or_default();
    let result = next.call(request).await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let labels = [
        ("http.request.method", method.to_owned()),
        ("http.route", route),
        ("http.response.status_code", status.as_str().to_owned()),
    ];
    histogram!(REQUEST_DURATION, &labels).record(began.elapsed());
    result
}

/// Adds the route. `lost_lines` returns how many lines of the log were lost since the start of the process.
pub(crate) fn configure(config: &mut ServiceConfig, lost_lines: fn() -> u64) {
    config.service(resource(PATH, move || show(lost_lines)));
}

async fn show(lost_lines: fn() -> u64) -> impl Responder {
    counter!("log_lines_lost").absolute(lost_lines());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(RECORDER.get().map(PrometheusHandle::render).unwrap_or_default())
}
