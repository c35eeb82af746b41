//! Routes that read.

use actix_web::http::StatusCode;
use actix_web::web::{self, Redirect};
use actix_web::{FromRequest, Handler, Resource, Responder};

/// Returns a resource for GET and HEAD. Other methods can be added; all the rest gets 405 with `Allow`.
pub fn resource<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    Args: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// Returns a permanent redirect, for an address without its final slash.
pub fn moved_permanently(from: &'static str, to: &'static str) -> Redirect {
    web::redirect(from, to).using_status_code(StatusCode::MOVED_PERMANENTLY)
}
