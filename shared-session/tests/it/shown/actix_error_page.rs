use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CONTENT_TYPE, ContentType, TryIntoHeaderValue};
use actix_web::middleware::ErrorHandlerResponse;
use shared_session::Error;

/// Replaces the page of a session error. A problem as JSON stays, and so does any other error.
fn error_page(mut response: ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    let error = response.response().error().and_then(|error| error.as_error::<Error>());
    if let Some(html) = error.filter(|_| !is_json).map(html) {
        response.headers_mut().insert(CONTENT_TYPE, ContentType::html().try_into_value()?);
        response = response.map_body(|_, _| BoxBody::new(html)); // the status and Retry-After stay
    }
    Ok(ErrorHandlerResponse::Response(response.map_into_left_body()))
}

fn html(error: &Error) -> String {
    let text = match error.code() {
        "session_ended" => "You are signed out. Please sign in again.",
        "session_full" => "Your basket is full.",
        _ => error.user_message(),
    };
    format!("<!doctype html><title>Shop</title><p>{text}</p>")
}
