use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use shared_session::Error;

async fn error_page(mut response: Response) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    let error = response.extensions().get::<Error>().filter(|_| !is_json);
    if let Some(text) = error.map(Error::user_message) {
        let html = format!("<!doctype html><title>Shop</title><p>{text}</p>");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = Body::from(html);
    }
    response
}
