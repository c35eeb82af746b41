//! The stylesheet and the icon. Every service serves them under its own prefixes, without a session.

use actix_web::HttpResponse;
use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::web::ServiceConfig;

use crate::server::resource;

/// How long browsers cache a file, in seconds. Short, because a changed file keeps its name.
const MAX_AGE: u32 = 300;

/// Adds the files under each prefix.
pub(super) fn configure(config: &mut ServiceConfig, prefixes: &[&str]) {
    for prefix in prefixes {
        config
            .service(resource(&format!("{prefix}/style.css"), async || {
                asset("text/css; charset=utf-8", include_str!("../../assets/style.css"))
            }))
            .service(resource(&format!("{prefix}/icon.svg"), async || {
                asset("image/svg+xml", include_str!("../../assets/icon.svg"))
            }));
    }
}

fn asset(content_type: &str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(CacheControl(vec![
            CacheDirective::Public,
            CacheDirective::MaxAge(MAX_AGE),
        ]))
        .body(text)
}
