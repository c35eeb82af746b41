//! The page of an error, whether a service, the session middleware or actix-web reported it.

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::middleware::ErrorHandlerResponse;
use actix_web::web::Data;
use askama::Template;

use super::{Layout, Prefixes};
use crate::failure::{Failure, SERVER_ERROR};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    status: u16,
    title: &'static str,
    message: &'static str,
}

/// Replaces the plain text of an error with a page. A session error as JSON stays as it is.
pub(crate) fn error_page(mut response: ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> {
    let html = message(&response).and_then(|message| {
        let status = response.status();
        let page = ErrorPage {
            layout: Layout::without_session(prefix(&response)),
            status: status.as_u16(),
            title: title(status),
            message,
        };
        page.render().ok()
    });
    let Some(html) = html else {
        return Ok(ErrorHandlerResponse::Response(response.map_into_left_body()));
    };
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let response = response.map_body(|_, _| EitherBody::right(BoxBody::new(html)));
    Ok(ErrorHandlerResponse::Response(response))
}

/// Returns the message for the user, if the error has no page of its own.
fn message(response: &ServiceResponse) -> Option<&'static str> {
    let (status, inner) = (response.status(), response.response());
    if let Some(error) = inner.error() {
        if is_problem(response) {
            return None;
        }
        let service = error.as_error::<Failure>().map(Failure::user_message);
        let session = || {
            error
                .as_error::<shared_session::Error>()
                .map(shared_session::Error::user_message)
        };
        return Some(service.or_else(session).unwrap_or_else(|| general_message(status)));
    }
    matches!(inner.body().size(), BodySize::None | BodySize::Sized(0)).then(|| general_message(status))
}

/// Returns whether the session middleware responded with JSON, because the client prefers it.
fn is_problem(response: &ServiceResponse) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/problem+json")
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Page not found",
        StatusCode::FORBIDDEN => "Request refused",
        StatusCode::CONFLICT => "Your change was not saved",
        StatusCode::SERVICE_UNAVAILABLE => "Not available at the moment",
        status if status.is_server_error() => "Something went wrong",
        _ => "Invalid request",
    }
}

/// Returns the message for an error that has none.
fn general_message(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => Failure::NotFound.user_message(),
        StatusCode::METHOD_NOT_ALLOWED => "This address does not support this kind of request.",
        StatusCode::PAYLOAD_TOO_LARGE => "The data that you sent is too long.",
        status if status.is_server_error() => SERVER_ERROR,
        _ => "The data that you sent is invalid.",
    }
}

/// Returns the prefix that contains the requested path, or else the first one.
fn prefix(response: &ServiceResponse) -> &'static str {
    let request = response.request();
    let prefixes = request
        .app_data::<Data<Prefixes>>()
        .map_or(&[][..], |prefixes| prefixes.0);
    let contains = |prefix: &&&str| {
        let rest = request.path().strip_prefix(**prefix);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let prefix = prefixes.iter().find(contains).or(prefixes.first());
    prefix.copied().unwrap_or_default()
}
