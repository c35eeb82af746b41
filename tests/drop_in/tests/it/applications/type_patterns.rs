//! Common patterns of applications that compile only if the middleware returns `ServiceResponse<BoxBody>` for an
//! application that returns it.

use std::future::{Ready, ready};

use actix_http::Request;
use actix_session::Session;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header::SERVER};
use actix_web::middleware::{ErrorHandlerResponse, ErrorHandlers, Next, from_fn};
use actix_web::test::init_service;
use actix_web::{App, Error, HttpResponse, Result, web};

use super::super::middleware::{BodyAboveErrorHandlers, Sessions};
use super::start;
use crate::support::Browser;

async fn count(session: Session) -> Result<String> {
    let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
    session.insert("count", count)?;
    Ok(count.to_string())
}

/// A function that builds the application for the server and for the tests.
fn application(
    sessions: Sessions,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>> {
    App::new().route("/", web::get().to(count)).wrap(sessions.middleware())
}

/// A function that builds the service that a test calls.
async fn service(sessions: Sessions) -> impl Service<Request, Response = ServiceResponse, Error = Error> {
    init_service(application(sessions)).await
}

async fn assert_counts(
    service: &impl Service<Request, Response = ServiceResponse<impl MessageBody + 'static>, Error = Error>,
) {
    let mut browser = Browser::default();
    for expected in ["1", "2"] {
        assert_eq!(browser.get(service, "/").await.body, expected);
    }
}

#[actix_web::test]
async fn function_returns_the_application() {
    let (_redis, sessions) = start().await;
    assert_counts(&init_service(application(sessions)).await).await;
}

#[actix_web::test]
async fn function_returns_the_service() {
    let (_redis, sessions) = start().await;
    assert_counts(&service(sessions).await).await;
}

fn not_found(response: ServiceResponse<BoxBody>) -> Result<ErrorHandlerResponse<BoxBody>> {
    let request = response.into_parts().0;
    let response = ServiceResponse::new(request, HttpResponse::NotFound().body("no such page"));
    Ok(ErrorHandlerResponse::Response(response.map_into_left_body()))
}

#[actix_web::test]
async fn error_handlers_are_typed() {
    let (_redis, sessions) = start().await;
    let handlers: ErrorHandlers<BoxBody> = ErrorHandlers::new().handler(StatusCode::NOT_FOUND, not_found);
    let service = init_service(application(sessions).wrap(handlers)).await;
    assert_counts(&service).await;
    let page = Browser::default().get(&service, "/nowhere").await;
    assert_eq!((page.status, &*page.body), (StatusCode::NOT_FOUND, "no such page"));
}

/// A function that names the body: with shared-session it is `BoxBody`, whatever is below.
fn application_with_error_handlers(
    sessions: Sessions,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BodyAboveErrorHandlers>,
        Error = Error,
        InitError = (),
    >,
> {
    let handlers = ErrorHandlers::new().handler(StatusCode::NOT_FOUND, not_found);
    let app = App::new().route("/", web::get().to(count)).wrap(handlers);
    app.wrap(sessions.middleware())
}

#[actix_web::test]
async fn application_names_its_body() {
    let (_redis, sessions) = start().await;
    assert_counts(&init_service(application_with_error_handlers(sessions)).await).await;
}

async fn name_server(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>> {
    let mut response = next.call(request).await?;
    response
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("counter"));
    Ok(response)
}

#[actix_web::test]
async fn function_is_a_middleware() {
    let (_redis, sessions) = start().await;
    let service = init_service(application(sessions).wrap(from_fn(name_server))).await;
    assert_counts(&service).await;
}

/// A middleware of one's own, without a type parameter for the body.
struct Stamp;

struct StampService<S> {
    inner: S,
}

impl<S> Transform<S, ServiceRequest> for Stamp
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = StampService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(StampService { inner: service }))
    }
}

impl<S> Service<ServiceRequest> for StampService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-stamp"), HeaderValue::from_static("1"));
            Ok(response)
        })
    }
}

#[actix_web::test]
async fn middleware_names_its_body() {
    let (_redis, sessions) = start().await;
    assert_counts(&init_service(application(sessions).wrap(Stamp)).await).await;
}
