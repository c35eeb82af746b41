//! What surrounds every request: it runs to its end. Also the faults that do not depend on the route.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::{connection::Error, cookies, fault::Fault, store::Store};

/// The longest body that is read, so that its sender gets the answer.
const BODY_LIMIT: usize = 4 << 20;

static STOPPED_AT: Mutex<Option<Instant>> = Mutex::new(None);
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static ISSUED: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Answers a request in a task of its own, which runs to its end also if the client is gone meanwhile.
pub async fn answer(State(store): State<Arc<Store>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::from_parts(head, body.into());
    // lets the server notice that the client is gone already: it may have repeated a renewal, which this one must not undo
    yield_now().await;
    if store.fault == Some(Fault::ResetChange) {
        return next.run(request).await;
    }
    let task = match store.fault {
        Some(_) => tokio::spawn(answer_with_fault(store, request, next)),
        None => tokio::spawn(next.run(request)),
    };
    task.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn answer_with_fault(store: Arc<Store>, request: Request, next: Next) -> Response {
    let fault = store.fault;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers().clone();
    if fault == Some(Fault::Pause) && lock(&STOPPED_AT).is_some_and(|at| at.elapsed() < Duration::from_secs(60)) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if fault == Some(Fault::SoakMemory) {
        lock(&KEPT).push(vec![1; 10_000]);
    }
    if fault == Some(Fault::SoakSockets) {
        store.redis.leak().await;
    }
    if fault == Some(Fault::MalformedCookies) && cookies::malformed(&headers)
        || fault == Some(Fault::RedisEmpty) && lost(&store, &headers).await
    {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let response = next.run(request).await;
    if fault == Some(Fault::RedisEmpty) && response.status().is_success() {
        remember(&path, &headers, response.headers());
    }
    match response.extensions().get::<Error>() {
        Some(error) if method == Method::POST && counts_as_done(fault, error) => StatusCode::OK.into_response(),
        Some(error) if method == Method::GET && counts_as_no_session(fault, error) => {
            ([(header::SET_COOKIE, cookies::delete())], "{}").into_response()
        }
        _ => response,
    }
}

fn counts_as_done(fault: Option<Fault>, error: &Error) -> bool {
    match (fault, error) {
        (Some(Fault::LostReplies), Error::TimedOut) => true,
        (Some(Fault::RedisFull), Error::Redis(error)) => error.code() == Some("OOM"),
        (Some(Fault::RedisReadOnly), Error::Redis(error)) => error.code() == Some("READONLY"),
        (Some(Fault::KilledConnections), Error::Redis(error)) => error.is_io_error() && !error.is_connection_refusal(),
        _ => false,
    }
}

fn counts_as_no_session(fault: Option<Fault>, error: &Error) -> bool {
    match (fault, error) {
        (Some(Fault::RedisLoading), Error::Redis(error)) => error.code() == Some("LOADING"),
        (Some(Fault::RedisRefusing), Error::Redis(error)) => {
            error.is_io_error() || error.to_string().contains("max number of clients")
        }
        _ => false,
    }
}

/// Returns whether Redis has lost a session whose id this process issued.
async fn lost(store: &Store, headers: &HeaderMap) -> bool {
    for id in cookies::ids(headers, None) {
        let issued = lock(&ISSUED).as_ref().is_some_and(|issued| issued.contains(&id));
        if issued && store.is_lost(&id).await.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// Remembers the id that a reply issues, and forgets those that a log-out ended.
fn remember(path: &str, request: &HeaderMap, response: &HeaderMap) {
    let mut issued = lock(&ISSUED);
    let issued = issued.get_or_insert_default();
    if path == "/logout" {
        cookies::ids(request, None).iter().for_each(|id| _ = issued.remove(id));
    }
    issued.extend(cookies::issued(response));
}

/// Notices when the process was stopped for more than a second.
pub async fn watch_for_pauses() {
    loop {
        let before = Instant::now();
        sleep(Duration::from_millis(50)).await;
        if before.elapsed() > Duration::from_secs(1) {
            *lock(&STOPPED_AT) = Some(Instant::now());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
