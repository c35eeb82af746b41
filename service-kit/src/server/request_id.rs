//! The request id: it comes from the proxy, is part of each log record of the request, and goes back in the response.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use shared_session::http::Outage;
use tracing::{Instrument, debug, error, error_span};

use crate::audit;

/// Requests that failed because the database is unavailable.
static UNAVAILABLE: Outage = Outage::new();

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Handles a request in a span with its id, and adds the id to the response.
///
/// The span holds neither query nor headers nor body: they can contain secrets. Successful requests are logged at
/// `debug` only, because the proxy writes the access log.
pub(crate) async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let id = accepted(request.headers()).unwrap_or_else(generate);
    // at the level error, so that no filter drops the span
    let span = error_span!("request", request_id = id, method = %request.method(), path = request.path());
    let address = audit::client_address(&request);
    async move {
        let mut result = audit::in_request(id.clone(), address, next.call(request)).await;
        let header = HeaderValue::try_from(id);
        match &mut result {
            Ok(response) => {
                if let Ok(header) = header {
                    response.headers_mut().insert(REQUEST_ID.clone(), header);
                }
                log(response.status().as_u16(), response.response().error());
            }
            Err(error) => {
                log(error.as_response_error().status_code().as_u16(), Some(error));
                error.add_response_mapper(move |mut response| {
                    if let Ok(header) = &header {
                        response.headers_mut().insert(REQUEST_ID.clone(), header.clone());
                    }
                    response
                });
            }
        }
        result
    }
    .instrument(span)
    .await
}

fn log(status: u16, error: Option<&actix_web::Error>) {
    // the library has logged the failures of sessions
    let error = error.filter(|error| error.as_error::<shared_session::Error>().is_none());
    match error {
        Some(error) if status == StatusCode::SERVICE_UNAVAILABLE => {
            if let Some(unlogged) = UNAVAILABLE.count() {
                error!(status, %error, unlogged_before = unlogged, "request failed");
            }
        }
        Some(error) if status >= 500 => error!(status, %error, "request failed"),
        _ => debug!(status, "request handled"),
    }
}

/// Returns the id that came with the request, if it is safe in a log and in a header.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    ((1..=64).contains(&id.len()) && id.bytes().all(allowed)).then(|| id.to_owned())
}

/// Returns a new id, as long as nginx's.
fn generate() -> String {
    let mut bytes = [0; 16];
    // without randomness all ids are zero, which is no reason to reject requests
    let _ = getrandom::fill(&mut bytes);
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
