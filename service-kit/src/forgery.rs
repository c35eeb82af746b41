//! Forged requests: nothing is changed for a form that another site sent.
//!
//! A browser says where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata), and older ones, and all of them
//! over plain http, in `Origin` (RFC 6454). Neither can be set by a page, so no token is needed in any form.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use actix_web::middleware::Next;

use crate::failure::Failure;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses a request that could change something unless it comes from this very site, before its session is looked at.
pub(crate) async fn refuse<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B>>> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    if safe || is_own(request.headers()) {
        next.call(request).await.map(ServiceResponse::map_into_left_body)
    } else {
        Ok(request.error_response(Failure::Forged).map_into_right_body())
    }
}

/// Whether a request was sent by a page of this site, or by the visitor alone (an address typed, a bookmark).
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://"));
    // `null`, as from a sandboxed frame, has no host, and neither header says anything of who sent it
    matches!((origin, text(HOST)), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}
