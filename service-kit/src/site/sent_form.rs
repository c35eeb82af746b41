//! A form that failed, kept so that the page of the error shows what was typed. The browser loses it otherwise.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Query};
use actix_web::{HttpMessage, HttpRequest};

use super::FormField;
use super::navigation::{LOGIN, REGISTER, TASKS};

/// A form as it was sent, without its passwords.
#[derive(Clone, Debug)]
pub(super) struct SentForm {
    /// The address that it was sent to.
    pub action: String,
    /// The names and values of the fields that no user sees.
    pub unseen: Vec<(String, String)>,
    /// The fields that the user filled in.
    pub typed: Vec<TypedField>,
}

/// A field that the user filled in.
#[derive(Clone, Debug)]
pub(super) struct TypedField {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub value: FormField,
}

/// Keeps the form that a request sends. It reads the body before the session is loaded, which may fail.
pub(crate) async fn keep_sent_form(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse> {
    if request.method() == Method::POST && has_text(request.path()) && is_form(&request) {
        let body = match request.extract::<Bytes>().await {
            Ok(body) => body,
            Err(error) => return Ok(request.error_response(error)),
        };
        if let Some(form) = SentForm::parse(&request, &body) {
            request.extensions_mut().insert(form);
        }
        request.set_payload(Payload::from(body));
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

/// Returns whether the form of an address has text that would have to be typed again. Others have buttons and passwords only.
fn has_text(path: &str) -> bool {
    path.starts_with(TASKS) || path == LOGIN || path == REGISTER
}

fn is_form(request: &ServiceRequest) -> bool {
    request.content_type() == "application/x-www-form-urlencoded"
}

impl SentForm {
    /// Returns the form, or `None` if it has no text to keep.
    fn parse(request: &ServiceRequest, body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok()?;
        let Query(fields) = Query::<Vec<(String, String)>>::from_query(body).ok()?;
        let (mut unseen, mut typed) = (Vec::new(), Vec::new());
        for (name, value) in fields {
            match TypedField::new(&name, &value) {
                Some(field) => typed.push(field),
                None => unseen.push((name, value)),
            }
        }
        let action = request.uri().path_and_query()?.to_string();
        (!typed.is_empty()).then_some(Self { action, unseen, typed })
    }

    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

impl TypedField {
    fn new(name: &str, value: &str) -> Option<Self> {
        let (name, label, kind, autocomplete) = match name {
            "title" => ("title", "Title", "text", "off"),
            "id" => ("id", "User ID", "text", "username"),
            "name" => ("name", "Name", "text", "name"),
            "password" => ("password", "Password", "password", "current-password"),
            _ => return None,
        };
        let value = if kind == "password" { "" } else { value };
        Some(Self {
            name,
            label,
            kind,
            autocomplete,
            value: FormField::new(value),
        })
    }
}
