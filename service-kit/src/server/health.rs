//! `/healthz`: the process is alive. `/readyz`: its session store is available too.

use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder, Responder};
use shared_session::SessionManager;
use tracing::warn;

use super::resource;

pub(crate) const LIVENESS_PATH: &str = "/healthz";
const READINESS_PATH: &str = "/readyz";

/// Adds both routes.
pub(crate) fn configure(config: &mut ServiceConfig, sessions: SessionManager) {
    config
        .service(resource(LIVENESS_PATH, alive))
        .service(resource(READINESS_PATH, ready).app_data(Data::new(sessions)));
}

async fn alive() -> impl Responder {
    no_store(HttpResponse::Ok(), "alive\n")
}

async fn ready(sessions: Data<SessionManager>) -> impl Responder {
    match sessions.ready().await {
        Ok(()) => no_store(HttpResponse::Ok(), "ready\n"),
        Err(error) => {
            warn!(%error, "readiness check failed");
            no_store(HttpResponse::ServiceUnavailable(), "the session store is unavailable\n")
        }
    }
}

fn no_store(mut response: HttpResponseBuilder, text: &'static str) -> HttpResponse {
    response
        .insert_header(CacheControl(vec![CacheDirective::NoStore]))
        .body(text)
}
