//! [`ForwardAuth`] as a service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{ACCEPT, COOKIE, HeaderName};
use http::{Request, Response};
use tower_service::Service;

use super::layer::{failure_response, response, values};
use crate::http::ForwardAuth;

impl<B> Service<Request<B>> for ForwardAuth {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let auth = self.clone();
        let (request, _) = request.into_parts();
        Box::pin(async move {
            let extends = request.extensions.get().copied();
            let methods = values(&request.headers, HeaderName::from_static(Self::FORWARDED_METHOD));
            let cookies = values(&request.headers, COOKIE);
            let responded = auth.respond(cookies, request.method.as_str(), methods, extends).await;
            Ok(match responded {
                Ok((status, headers)) => response(status, headers, String::new()),
                Err(failure) => failure_response(failure, request.headers.get(ACCEPT)),
            })
        })
    }
}
