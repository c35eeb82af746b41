//! Requests that do not extend the idle timeout: a scope's, by an option of the middleware, and single ones, by a request
//! extension.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::COOKIE;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, Error, HttpMessage, web};
use shared_session::{ExtendIdleTimeout, Session, SessionManager, Settings};
use shared_session_testkit::servers::RedisServer;

const HOUR: i64 = 3_600_000;

async fn read(session: Session) -> String {
    session.get::<u32>("a").unwrap().unwrap_or_default().to_string()
}

async fn write(session: Session) -> String {
    let value = session.get::<u32>("a").unwrap().unwrap_or_default() + 1;
    session.insert("a", value).unwrap();
    value.to_string()
}

/// Decides about a request by its query.
async fn decide(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let decision = match request.query_string() {
        "poll" => Some(ExtendIdleTimeout(false)),
        "visit" => Some(ExtendIdleTimeout(true)),
        _ => None,
    };
    if let Some(decision) = decision {
        request.extensions_mut().insert(decision);
    }
    next.call(request).await
}

#[actix_web::test]
async fn polling_request_takes_one_command_and_leaves_the_expiry_as_it_is() {
    let redis = RedisServer::start();
    let builder =
        SessionManager::builder(&Settings::default()).backend(Arc::new(redis.backend(Duration::from_secs(10))));
    let sessions = builder.build().unwrap();
    let polls = sessions.middleware().extend_idle_timeout(false);
    let application = App::new()
        .service(
            web::scope("/poll")
                .wrap(polls)
                .route("/read", web::get().to(read))
                .route("/write", web::get().to(write)),
        )
        .service(
            web::scope("")
                .wrap(sessions.middleware())
                .route("/read", web::get().to(read))
                .route("/write", web::get().to(write)),
        )
        .wrap(from_fn(decide));
    let service = init_service(application).await;
    let begun = call_service(&service, TestRequest::get().uri("/write").to_request()).await;
    let cookie = begun.response().cookies().next().unwrap().to_string();
    let cookie = cookie.split(';').next().unwrap();
    let keys: Vec<String> = redis.run(&["KEYS", "session:*"]);
    let send = async |path: &str| {
        let () = redis.run(&["PEXPIRE", &keys[0], "60000"]);
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        let request = TestRequest::get().uri(path).insert_header((COOKIE, cookie));
        let response = call_service(&service, request.to_request()).await;
        assert!(response.status().is_success());
        let sent = [["getex"], ["evalsha"]].map(|names| redis.calls(&names));
        let expiry: i64 = redis.run(&["PTTL", &keys[0]]);
        (sent, expiry)
    };
    send("/poll/write").await; // loads the scripts
    for (path, commands, extends) in [
        ("/read", [1, 0], true),
        ("/read?visit", [1, 0], true),
        ("/read?poll", [0, 1], false),
        ("/poll/read", [0, 1], false),
        ("/poll/read?visit", [1, 0], true),
        // a change extends in any case
        ("/write", [1, 1], true),
        ("/write?poll", [0, 2], true),
        ("/poll/write", [0, 2], true),
    ] {
        let (sent, expiry) = send(path).await;
        assert_eq!(sent, commands, "{path}");
        let expected = if extends { HOUR - 10_000..=HOUR } else { 1..=60_000 };
        assert!(expected.contains(&expiry), "{path}: {expiry}");
    }
}
