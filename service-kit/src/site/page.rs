//! Responses: a page, and the redirect after a form.

use actix_web::body::BoxBody;
use actix_web::http::header::{CacheControl, CacheDirective, ContentType, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use tracing::error;

/// A template as a response. Caches do not store it, because pages show the content of the session.
#[derive(Clone, Debug)]
pub struct Page<T>(pub T);

impl<T: Template> Responder for Page<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match self.0.render() {
            Ok(html) => HttpResponse::Ok()
                .content_type(ContentType::html())
                .insert_header(CacheControl(vec![CacheDirective::NoStore]))
                .body(html),
            Err(error) => {
                error!(%error, "failed to render page");
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

/// Returns the redirect after a form was processed: the browser gets the address, and a reload does not send the form
/// again (RFC 9110, section 15.4.4).
#[must_use]
pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, to))
        .insert_header(CacheControl(vec![CacheDirective::NoStore]))
        .finish()
}
