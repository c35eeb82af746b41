//! Pages: how a template becomes an answer, which methods it is an answer to, and where a form leads.

use actix_web::http::StatusCode;
use actix_web::http::header::{CacheControl, CacheDirective, ContentType, LOCATION};
use actix_web::web::{self, Redirect};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder};
use askama::Template;
use tracing::error;

/// A template as an answer, never stored by a cache: every page shows what the session holds.
#[derive(Clone, Debug)]
pub struct Page<T>(pub T);

impl<T: Template> Responder for Page<T> {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match self.0.render() {
            Ok(html) => HttpResponse::Ok()
                .content_type(ContentType::html())
                .insert_header(CacheControl(vec![CacheDirective::NoStore]))
                .body(html),
            Err(error) => {
                error!(%error, "a page could not be rendered");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

/// A resource to be read: GET, and HEAD as GET. Any method that is not added to it is answered 405 with `Allow`.
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

/// A redirect for good, from an address without its final slash.
pub fn moved(from: &'static str, to: &'static str) -> Redirect {
    web::redirect(from, to).using_status_code(StatusCode::MOVED_PERMANENTLY)
}

/// What a form that was done answers with: the address to show next, by GET, so that reloading sends nothing again
/// (RFC 9110, section 15.4.4).
#[must_use]
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, to))
        .insert_header(CacheControl(vec![CacheDirective::NoStore]))
        .finish()
}
