//! [`ForwardAuth`] as a handler.

use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HeaderName};
use actix_web::{Handler, HttpMessage, HttpRequest, HttpResponse};

use super::extract::{add_headers, failure_response};
use super::middleware::values;
use crate::http::ForwardAuth;

impl Handler<HttpRequest> for ForwardAuth {
    type Output = HttpResponse;
    type Future = Pin<Box<dyn Future<Output = HttpResponse>>>;

    fn call(&self, request: HttpRequest) -> Self::Future {
        let auth = self.clone();
        Box::pin(async move {
            let extends = request.extensions().get().copied();
            let methods = values(request.headers(), HeaderName::from_static(Self::FORWARDED_METHOD));
            let cookies = values(request.headers(), COOKIE);
            match auth.respond(cookies, request.method().as_str(), methods, extends).await {
                Ok((status, headers)) => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    let mut response = HttpResponse::new(status);
                    add_headers(response.headers_mut(), headers);
                    response
                }
                Err(failure) => failure_response(&request, failure),
            }
        })
    }
}
