//! The middleware in applications that were written for actix-session: body types, and errors that stay visible.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_http::Request;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{COOKIE, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{ErrorHandlerResponse, ErrorHandlers, Logger, Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use futures_util::future::join;
use shared_session::backend::memory::Memory;
use shared_session::{Clock, Session, SessionManager, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use tokio::sync::Semaphore;

fn sessions() -> SessionManager {
    SessionManager::new(&Settings::default()).unwrap()
}

async fn count(session: Session) -> actix_web::Result<String> {
    let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(visits.to_string())
}

/// The first pattern: a function that returns the application.
fn application(
    sessions: SessionManager,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>> {
    App::new().wrap(sessions.middleware()).route("/", web::get().to(count))
}

/// The second pattern: a function of a test that returns the running application.
async fn service(sessions: SessionManager) -> impl Service<Request, Response = ServiceResponse, Error = Error> {
    init_service(application(sessions)).await
}

/// The third pattern: an error handler for a `BoxBody`.
fn error_page(response: ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> {
    let response = response.map_body(|_, _| BoxBody::new("an error page"));
    Ok(ErrorHandlerResponse::Response(response.map_into_left_body()))
}

/// The fourth pattern: a function as middleware.
async fn passes(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    next.call(request).await
}

/// The fifth pattern: middleware with a type of its own.
struct Passes;

struct PassesService<S> {
    service: S,
}

impl<S> Transform<S, ServiceRequest> for Passes
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = PassesService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(PassesService { service }))
    }
}

impl<S> Service<ServiceRequest> for PassesService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = S::Future;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        self.service.call(request)
    }
}

async fn text(response: ServiceResponse<impl MessageBody>) -> String {
    let body = to_bytes(response.into_body()).await.ok().unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[actix_web::test]
async fn function_can_return_the_application_or_its_service() {
    let service = service(sessions()).await;
    let response = call_service(&service, TestRequest::get().to_request()).await;
    assert_eq!(text(response).await, "1");
}

#[actix_web::test]
async fn error_handlers_functions_and_own_types_wrap_the_middleware() {
    let application = application(sessions())
        .wrap(Passes)
        .wrap(from_fn(passes))
        .wrap(ErrorHandlers::new().default_handler(error_page));
    let service = init_service(application).await;
    let response = call_service(&service, TestRequest::get().to_request()).await;
    assert_eq!(text(response).await, "1");
    let response = call_service(&service, TestRequest::get().uri("/missing").to_request()).await;
    assert_eq!(text(response).await, "an error page");
}

#[actix_web::test]
async fn middleware_wraps_services_with_other_bodies() {
    let application = App::new()
        .wrap(Logger::default())
        .route("/", web::get().to(count))
        .wrap(sessions().middleware())
        .wrap(Passes);
    let service = init_service(application).await;
    let response = call_service(&service, TestRequest::get().to_request()).await;
    assert_eq!(text(response).await, "1");
}

/// Returns the session cookie that a response sets.
fn cookie(response: &ServiceResponse<impl MessageBody>) -> String {
    let cookie = response
        .response()
        .cookies()
        .next()
        .expect("the response sets no cookie");
    format!("{}={}", cookie.name(), cookie.value())
}

/// The error that a response shows to the middleware around it.
fn error(response: &ServiceResponse) -> &shared_session::Error {
    let error = response.response().error().expect("the error is invisible");
    error.as_error().expect("it is another error")
}

#[actix_web::test]
async fn error_stays_in_the_response() {
    let backend = Arc::new(Faulty::new(Arc::new(Memory::new(Clock::system())), Fault::Never));
    let store_fails = async |session: Session, backend: web::Data<Faulty>| {
        session.insert("a", 1).unwrap();
        backend.set_unreachable(true);
        "stored"
    };
    let handler_fails = async || Err::<&str, _>(shared_session::Error::Contended);
    let builder = SessionManager::builder(&Settings::default()).backend(backend.clone());
    let application = App::new()
        .app_data(web::Data::from(backend))
        .route("/", web::get().to(count))
        .route("/store", web::get().to(store_fails))
        .route("/handler", web::get().to(handler_fails))
        .wrap(builder.build().unwrap().middleware());
    let service = init_service(application).await;
    let begun = call_service(&service, TestRequest::get().to_request()).await;
    assert!(begun.response().error().is_none());
    let cookie = cookie(&begun);

    let refused = call_service(&service, TestRequest::get().uri("/handler").to_request()).await;
    assert!(matches!(error(&refused), shared_session::Error::Contended));

    // the first request fails to store its change, the second one to load
    for path in ["/store", "/"] {
        let request = TestRequest::get().uri(path).insert_header((COOKIE, &*cookie));
        let response = call_service(&service, request.to_request()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(matches!(error(&response), shared_session::Error::Unavailable(_)));
    }
}

/// Repeats a page view whose session ended, as the crate's page shows.
fn repeat(response: ServiceResponse) -> actix_web::Result<ErrorHandlerResponse<BoxBody>> {
    let error = response.response().error().and_then(|error| error.as_error());
    let ended = matches!(error, Some(shared_session::Error::Ended)) && response.request().method() == Method::GET;
    let response = if ended {
        let address = format!("?{}", response.request().query_string()); // of the same path
        let redirect = HttpResponse::SeeOther().insert_header((LOCATION, address)).finish();
        response.into_response(redirect)
    } else {
        response
    };
    Ok(ErrorHandlerResponse::Response(response.map_into_left_body()))
}

#[actix_web::test]
async fn page_view_that_a_log_out_overtakes_can_be_repeated() {
    let sessions = sessions();
    let log_outs = init_service(App::new().wrap(sessions.middleware()).route(
        "/",
        web::post().to(async |session: Session| {
            session.purge();
            "signed out"
        }),
    ));
    let (log_outs, arrived, go) = (log_outs.await, Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gate = (arrived.clone(), go.clone());
    let visit = move |session: Session| {
        let (arrived, go) = gate.clone();
        async move {
            let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
            session.insert("visits", visits)?;
            arrived.add_permits(1);
            go.acquire().await.unwrap().forget();
            Ok::<_, Error>(visits.to_string())
        }
    };
    for (repeats, status) in [(false, StatusCode::CONFLICT), (true, StatusCode::SEE_OTHER)] {
        let handlers = ErrorHandlers::new();
        let handlers = if repeats {
            handlers.handler(StatusCode::CONFLICT, repeat)
        } else {
            handlers
        };
        let application = App::new()
            .route("/page", web::get().to(visit.clone()))
            .wrap(sessions.middleware())
            .wrap(handlers);
        let service = init_service(application).await;
        go.add_permits(1);
        let begun = call_service(&service, TestRequest::get().uri("/page?a=b").to_request()).await;
        arrived.acquire().await.unwrap().forget();
        let cookie = cookie(&begun);
        let get = || {
            TestRequest::get()
                .uri("/page?a=b")
                .insert_header((COOKIE, &*cookie))
                .to_request()
        };
        let log_out = async {
            arrived.acquire().await.unwrap().forget();
            let request = TestRequest::post().insert_header((COOKIE, &*cookie)).to_request();
            assert!(call_service(&log_outs, request).await.status().is_success());
            go.add_permits(1);
        };
        let (response, ()) = join(call_service(&service, get()), log_out).await;
        assert_eq!(response.status(), status);
        let location = response.headers().get(LOCATION).map(|value| value.to_str().unwrap());
        assert_eq!(location, repeats.then_some("?a=b"));
        // the next request finds no session, and begins one
        go.add_permits(1);
        let again = call_service(&service, get()).await;
        arrived.acquire().await.unwrap().forget();
        assert_eq!(text(again).await, "1");
    }
}

/// A handler that names no other session crate.
#[actix_web::test]
async fn crate_exports_what_handlers_name() {
    use shared_session::{SessionExt, SessionGetError, SessionInsertError, SessionStatus, actix_session};

    fn increment(session: &Session) -> Result<u32, SessionGetError> {
        let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
        let inserted: Result<(), SessionInsertError> = session.insert("visits", visits);
        inserted.unwrap();
        Ok(visits)
    }
    let handler = async |request: HttpRequest| {
        let session: actix_session::Session = request.get_session();
        assert_eq!(session.status(), SessionStatus::Unchanged);
        let visits = increment(&session)?;
        Ok::<_, actix_web::Error>(visits.to_string())
    };
    let application = App::new()
        .wrap(sessions().middleware())
        .route("/", web::get().to(handler));
    let service = init_service(application).await;
    let response = call_service(&service, TestRequest::get().to_request()).await;
    assert_eq!(text(response).await, "1");
}
