//! The files that pages link: the same for every service, each under the service's own prefix, and without a session.

use actix_web::HttpResponse;
use actix_web::http::header::{CacheControl, CacheDirective};
use actix_web::web::ServiceConfig;

use crate::page;

/// How long a browser keeps a file, in seconds: short, since the names do not change with the contents.
const MAX_AGE: u32 = 300;

/// Adds the files under each of the prefixes.
pub(crate) fn routes(config: &mut ServiceConfig, prefixes: &[&str]) {
    for prefix in prefixes {
        config
            .service(page::resource(&format!("{prefix}/style.css"), async || {
                asset("text/css; charset=utf-8", include_str!("../assets/style.css"))
            }))
            .service(page::resource(&format!("{prefix}/icon.svg"), async || {
                asset("image/svg+xml", include_str!("../assets/icon.svg"))
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
