//! `/healthz`: the process is alive. `/readyz`: and its session store answers.

use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use shared_session::SessionManager;
use tracing::warn;

use crate::page;

pub(crate) const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";

/// Adds both, for `manager`'s store.
pub(crate) fn routes(config: &mut ServiceConfig, manager: SessionManager) {
    config
        .service(page::resource(ALIVE, alive))
        .service(page::resource(READY, ready).app_data(Data::new(manager)));
}

async fn alive() -> impl Responder {
    answer(HttpResponse::Ok(), "alive\n")
}

async fn ready(manager: Data<SessionManager>) -> impl Responder {
    match manager.ready().await {
        Ok(()) => answer(HttpResponse::Ok(), "ready\n"),
        Err(error) => {
            warn!(%error, "not ready");
            answer(
                HttpResponse::ServiceUnavailable(),
                "the session store does not answer\n",
            )
        }
    }
}

fn answer(mut response: actix_web::HttpResponseBuilder, text: &'static str) -> HttpResponse {
    response
        .insert_header(CacheControl(vec![CacheDirective::NoStore]))
        .body(text)
}
