//! The check against cross-site request forgery: a form from another site changes nothing.
//!
//! A browser names the origin of a request in `Sec-Fetch-Site` (W3C Fetch Metadata). Older browsers, and all browsers
//! over plain http, name it in `Origin` (RFC 6454), which has the scheme, too. Pages can set neither, so forms need no token.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use actix_web::middleware::Next;

use crate::audit;
use crate::failure::Failure;

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The name of the resource that tells a proxy who is signed in. It changes nothing, whatever the method.
pub(crate) const FORWARD_AUTH: &str = "forward_auth";

/// Rejects a request that could change something, unless it comes from this site. Runs before the session is loaded.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    if safe || request.match_name() == Some(FORWARD_AUTH) || is_same_origin(&request) {
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    } else {
        audit::event("request of another site refused").log();
        Ok(request.error_response(Failure::CrossSite))
    }
}

/// Returns whether the browser says that a page of another site led to this request, for example with a link. Browsers over
/// plain http do not say where a link was.
#[must_use]
pub fn is_from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE);
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Returns whether a page of this site sent the request, or the user without any page (a typed address, a bookmark).
fn is_same_origin(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // without either header the sender is unknown, and `null` (from a sandboxed frame) names no host
    let (Some((scheme, origin)), Some(host)) = (text(ORIGIN).and_then(|origin| origin.split_once("://")), text(HOST))
    else {
        return false;
    };
    scheme.eq_ignore_ascii_case(request.connection_info().scheme()) && origin.eq_ignore_ascii_case(host)
}
