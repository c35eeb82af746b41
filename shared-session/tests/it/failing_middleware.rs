//! A middleware between the session and the handler that fails after the handler: what the handler did is stored all the same.

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorImATeapot, InternalError};
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service, try_call_service};
use actix_web::{App, Error, web};
use shared_session::backend::memory::Memory;
use shared_session::{Clock, Session, SessionManager, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use std::sync::Arc;

async fn act(session: Session, operation: web::Path<String>) -> actix_web::Result<&'static str> {
    match &**operation {
        "insert" => session.insert("b", 1)?,
        "renew" => session.renew(),
        "purge" => session.purge(),
        _ => {}
    }
    Ok("done")
}

async fn all(session: Session) -> String {
    serde_json::to_string(&*session.entries()).unwrap()
}

/// Calls the handler, and then fails if the request says so.
async fn fails(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let is_to_fail = request.headers().contains_key("x-fail");
    let response = next.call(request).await?;
    if is_to_fail {
        return Err(ErrorImATeapot("the middleware failed"));
    }
    Ok(response)
}

fn application(
    sessions: SessionManager,
) -> App<
    impl actix_web::dev::ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .wrap(from_fn(fails))
        .wrap(sessions.middleware())
        .route("/all", web::get().to(all))
        .route("/{operation}", web::get().to(act))
}

/// Sends a request that fails. Returns its status, its body and its session cookie.
async fn fail(
    service: &impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>,
    operation: &str,
    cookie: Option<&str>,
) -> (StatusCode, String, Option<String>) {
    let mut request = TestRequest::get()
        .uri(&format!("/{operation}"))
        .insert_header(("x-fail", "1"));
    if let Some(cookie) = cookie {
        request = request.insert_header((COOKIE, cookie));
    }
    let error = try_call_service(service, request.to_request()).await.unwrap_err();
    assert!(
        operation != "nothing" || error.as_error::<InternalError<&str>>().is_some(),
        "the error is another one"
    );
    let response = error.error_response();
    let cookie = response.headers().get(SET_COOKIE).map(|value| {
        let value = value.to_str().unwrap();
        value.split(';').next().unwrap().to_owned()
    });
    let status = response.status();
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), cookie)
}

#[actix_web::test]
async fn session_ends_in_the_same_way_if_a_middleware_fails() {
    let sessions = SessionManager::new(&Settings::default()).unwrap();
    let service = init_service(application(sessions)).await;
    let fields = async |cookie: &str| {
        let request = TestRequest::get()
            .uri("/all")
            .insert_header((COOKIE, cookie))
            .to_request();
        let response = call_service(&service, request).await;
        String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
    };
    let teapot = |(status, body, cookie): (StatusCode, String, Option<String>)| {
        assert_eq!((status, &*body), (StatusCode::IM_A_TEAPOT, "the middleware failed"));
        cookie
    };
    assert_eq!(teapot(fail(&service, "nothing", None).await), None);
    let created = teapot(fail(&service, "insert", None).await).expect("no session was created");
    assert_eq!(fields(&created).await, r#"{"b":"1"}"#);
    let renewed = teapot(fail(&service, "renew", Some(&created)).await).expect("the session was not renewed");
    assert_eq!(
        (&*fields(&created).await, &*fields(&renewed).await),
        ("{}", r#"{"b":"1"}"#)
    );
    let removed = teapot(fail(&service, "purge", Some(&renewed)).await);
    assert_eq!(removed.as_deref(), Some("sid="));
    assert_eq!(fields(&renewed).await, "{}");
}

#[actix_web::test]
async fn change_that_cannot_be_stored_is_told_instead_of_the_failure() {
    let memory = Arc::new(Memory::new(Clock::system()));
    let backend = Arc::new(Faulty::new(memory, Fault::Never));
    let builder = SessionManager::builder(&Settings::default()).backend(backend.clone());
    let service = init_service(application(builder.build().unwrap())).await;
    let (.., cookie) = fail(&service, "insert", None).await;
    backend.set_unreachable(true);
    let (status, body, set_cookie) = fail(&service, "insert", None).await;
    assert_eq!((status, set_cookie), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert!(body.contains("Your session is unavailable"), "{body}");
    backend.set_unreachable(false);
    assert!(cookie.is_some());
}
