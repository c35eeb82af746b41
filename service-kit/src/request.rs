//! One span for each request, named by the id that the proxy passes on.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::{Instrument, debug, error, error_span};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs a request within a span that carries its id, and answers with the id.
///
/// Never the query, a header or a body: they can hold secrets, and the cookie is one. What is said of each request is
/// said at `debug`, since the proxy keeps the access log.
pub(crate) async fn span(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let id = accepted(request.headers()).unwrap_or_else(generated);
    // At the level of errors, so that it is there whatever the filter lets through.
    let span = error_span!("request", request_id = id, method = %request.method(), path = request.path());
    async move {
        let mut result = next.call(request).await;
        let header = HeaderValue::try_from(id);
        match &mut result {
            Ok(response) => {
                if let Ok(header) = header {
                    response.headers_mut().insert(REQUEST_ID.clone(), header);
                }
                report(response.status().as_u16(), response.response().error());
            }
            Err(error) => {
                report(error.as_response_error().status_code().as_u16(), Some(error));
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

fn report(status: u16, error: Option<&actix_web::Error>) {
    match error {
        Some(error) if status >= 500 => error!(status, %error, "the request failed"),
        _ => debug!(status, "answered"),
    }
}

/// The id that came with the request, if it is one: it goes into logs and back to the client.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    ((1..=64).contains(&id.len()) && id.bytes().all(known)).then(|| id.to_owned())
}

/// A new id, as long as nginx's. Without a source of randomness all are alike, which is no reason to refuse requests.
fn generated() -> String {
    let half = || getrandom::u64().unwrap_or_default();
    format!("{:016x}{:016x}", half(), half())
}
