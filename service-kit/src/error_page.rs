//! The page that an error becomes, whoever met it: a service, the session's middleware, or the web framework.

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use askama::Template;

use crate::failure::{Failure, OUR_FAULT};
use crate::frame::Frame;

/// The prefixes of a service, as the application's data.
pub(crate) struct Prefixes(pub &'static [&'static str]);

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    title: &'static str,
    sentence: &'static str,
}

/// Puts a page in the place of an error's plain text; whoever asked for JSON gets what there is of it.
pub(crate) async fn dress<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<EitherBody<B, BoxBody>>> {
    let prefixes = request
        .app_data::<Data<Prefixes>>()
        .map_or(&[][..], |prefixes| prefixes.0);
    let frame = Frame::bare(home(prefixes, request.path()));
    let mut response = next.call(request).await?;
    let Some(sentence) = bare_error(&response) else {
        return Ok(response.map_into_left_body());
    };
    let status = response.status();
    let page = ErrorPage {
        frame,
        status: status.as_u16(),
        title: title(status),
        sentence,
    };
    let Ok(html) = page.render() else {
        return Ok(response.map_into_left_body());
    };
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response.map_body(|_, _| EitherBody::right(BoxBody::new(html))))
}

/// What to tell of an error that has no page of its own yet.
fn bare_error<B: MessageBody>(response: &ServiceResponse<B>) -> Option<&'static str> {
    let (status, answer) = (response.status(), response.response());
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    if let Some(error) = answer.extensions().get::<shared_session::Error>() {
        let html = response.headers().get(CONTENT_TYPE);
        return html
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
            .then(|| error.user_message());
    }
    if let Some(error) = answer.error() {
        let own = error.as_error::<Failure>().map(Failure::sentence);
        let session = || {
            error
                .as_error::<shared_session::Error>()
                .map(shared_session::Error::user_message)
        };
        return Some(own.or_else(session).unwrap_or_else(|| general(status)));
    }
    matches!(answer.body().size(), BodySize::None | BodySize::Sized(0)).then(|| general(status))
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing at this address",
        StatusCode::FORBIDDEN => "Not from here",
        StatusCode::CONFLICT => "Something else came first",
        StatusCode::SERVICE_UNAVAILABLE => "Not at the moment",
        status if status.is_server_error() => "Something went wrong",
        _ => "That cannot be done",
    }
}

/// What is said where nobody said more.
fn general(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => Failure::NotFound.sentence(),
        StatusCode::METHOD_NOT_ALLOWED => "This address is not to be used in this way.",
        StatusCode::PAYLOAD_TOO_LARGE => "What was sent is too long.",
        status if status.is_server_error() => OUR_FAULT,
        _ => "What was sent could not be understood.",
    }
}

/// The service whose path a page is under, or the first.
fn home(prefixes: &'static [&'static str], path: &str) -> &'static str {
    let under = |prefix: &&&str| path.strip_prefix(**prefix).is_some_and(|rest| rest.starts_with('/'));
    let prefix = prefixes.iter().find(under).or(prefixes.first());
    prefix.copied().unwrap_or_default()
}
