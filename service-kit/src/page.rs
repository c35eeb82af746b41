//! Pages: how a template becomes an answer, which methods it is an answer to, and what stands where none is.

use actix_web::http::header::{CacheControl, CacheDirective, ContentType};
use actix_web::http::{StatusCode, Uri};
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

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound {
    prefix: &'static str,
}

/// What stands where nothing is: a page that leads back to the service whose path it is under, or to the first.
pub(crate) async fn not_found(prefixes: &'static [&'static str], uri: Uri) -> impl Responder {
    let path = uri.path();
    let under = |prefix: &&&str| path.strip_prefix(**prefix).is_some_and(|rest| rest.starts_with('/'));
    let prefix = prefixes
        .iter()
        .find(under)
        .or(prefixes.first())
        .copied()
        .unwrap_or_default();
    Page(NotFound { prefix }).customize().with_status(StatusCode::NOT_FOUND)
}
