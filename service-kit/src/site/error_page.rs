//! The page of an error, whether a service, the session middleware or actix-web reported it.

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::middleware::ErrorHandlerResponse;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use askama::Template;
use shared_session::{CurrentSession, SessionExt};

use super::navigation::{LOGIN, Link, page_of};
use super::sent_form::SentForm;
use super::{Done, Layout, Site, User};
use crate::failure::{Failure, SERVER_ERROR};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    layout: Layout,
    /// The status, unless the page is no error after all.
    status: Option<u16>,
    title: &'static str,
    message: &'static str,
    /// Whether the change was made, unless `message` says it.
    outcome: Option<&'static str>,
    /// The form to send again.
    sent: Option<SentForm>,
    link: Link,
}

/// Replaces the plain text of an error with a page. A session error as JSON stays as it is. If only the session could not be
/// stored, and the request has [noted](Done) what it did before, the response says that and is no error.
pub(crate) fn error_page(mut response: ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> {
    let done = Done::of(response.request()).filter(|_| session_error(&response).is_some());
    let html = message(&response).and_then(|message| {
        let (layout, status) = (layout(&response), response.status());
        let page = match &done {
            Some(done) => ErrorPage {
                layout,
                status: None,
                title: done.title,
                message: done.message,
                outcome: None,
                sent: None,
                link: done.link.clone(),
            },
            None => ErrorPage {
                link: link(&response, layout.prefix),
                layout,
                status: Some(status.as_u16()),
                title: title(&response),
                message,
                outcome: outcome(&response),
                sent: SentForm::of(response.request()).filter(|_| may_succeed(status)),
            },
        };
        page.render().ok()
    });
    let Some(html) = html else {
        return Ok(ErrorHandlerResponse::Response(response.map_into_left_body()));
    };
    if done.is_some() {
        *response.response_mut().status_mut() = StatusCode::OK;
        response.headers_mut().remove(RETRY_AFTER);
    }
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let response = response.map_body(|_, _| EitherBody::right(BoxBody::new(html)));
    Ok(ErrorHandlerResponse::Response(response))
}

fn failure(response: &ServiceResponse) -> Option<&Failure> {
    response.response().error()?.as_error()
}

fn session_error(response: &ServiceResponse) -> Option<&shared_session::Error> {
    response.response().error()?.as_error()
}

/// Returns whether the handler was called, which needs the session.
fn was_handled(request: &HttpRequest) -> bool {
    request.extensions().contains::<CurrentSession>()
}

/// Returns the layout. It shows the user unless the session could not be read or stored.
fn layout(response: &ServiceResponse) -> Layout {
    let request = response.request();
    let knows_user = was_handled(request) && session_error(response).is_none();
    Layout {
        user: knows_user.then(|| User::of(&request.get_session())).flatten(),
        user_is_unknown: !knows_user,
        ..Layout::without_session(prefix(response))
    }
}

/// Returns whether the same form may be accepted if it is sent again, perhaps shorter.
fn may_succeed(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::PAYLOAD_TOO_LARGE) || status.is_server_error()
}

/// Returns whether the change that a request asked for was made, if its message does not say so.
fn outcome(response: &ServiceResponse) -> Option<&'static str> {
    const NONE: &str = "Nothing was changed.";
    let request = response.request();
    if request.method().is_safe() {
        return None;
    }
    match (response.status(), session_error(response)) {
        (StatusCode::SERVICE_UNAVAILABLE, Some(_)) if !was_handled(request) => Some(NONE),
        (StatusCode::SERVICE_UNAVAILABLE, Some(shared_session::Error::Contended)) => None,
        (status, Some(_)) if status != StatusCode::SERVICE_UNAVAILABLE => None,
        (status, _) if status.is_server_error() => {
            Some("What you sent may have been carried out: look before you send it again.")
        }
        // other messages say it
        (_, _) => matches!(failure(response), None | Some(Failure::NotFound)).then_some(NONE),
    }
}

/// Returns the message for the user, if the error has no page of its own.
fn message(response: &ServiceResponse) -> Option<&'static str> {
    let (status, inner) = (response.status(), response.response());
    if inner.error().is_some() {
        if is_problem(response) {
            return None;
        }
        let service = failure(response).map(Failure::user_message);
        let session = || session_error(response).map(shared_session::Error::user_message);
        return Some(service.or_else(session).unwrap_or_else(|| general_message(status)));
    }
    matches!(inner.body().size(), BodySize::None | BodySize::Sized(0)).then(|| general_message(status))
}

/// Returns whether the session middleware responded with JSON, because the client prefers it.
fn is_problem(response: &ServiceResponse) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/problem+json")
}

/// Returns the link to the page where the user can go on.
fn link(response: &ServiceResponse, prefix: &str) -> Link {
    match response.status() {
        StatusCode::UNAUTHORIZED => Link {
            path: LOGIN.into(),
            text: "Sign in",
        },
        _ => page_of(response.request().path(), prefix),
    }
}

fn title(response: &ServiceResponse) -> &'static str {
    if let Some(Failure::Missing(_)) = failure(response) {
        return "No longer here";
    }
    match response.status() {
        StatusCode::UNAUTHORIZED => "Not signed in",
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
        StatusCode::UNAUTHORIZED => "Sign in to see this page.",
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
    let prefixes = request.app_data::<Data<Site>>().map_or(&[][..], |site| site.prefixes);
    let contains = |prefix: &&&str| {
        let rest = request.path().strip_prefix(**prefix);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let prefix = prefixes.iter().find(contains).or(prefixes.first());
    prefix.copied().unwrap_or_default()
}
