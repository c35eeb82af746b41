//! A service behind the door for actix-web.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorNotFound;
use actix_web::http::KeepAlive;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, HttpServer, Responder, web};
use serde_json::Value;
use shared_session::actix::sign_in;
use shared_session::{CurrentSession, Error, Handle, Registry, Remember, Session, SessionManager};

use super::{EXTENDS, Gate, RETURNED, act_beside, extends, once_stored, shown, thread, times, user, words};

async fn all(session: Session) -> impl Responder {
    web::Json(session.entries().clone())
}

async fn get(session: Session, name: web::Path<String>) -> String {
    session.entries().get(&*name).cloned().unwrap_or_default()
}

async fn current(current: CurrentSession) -> impl Responder {
    web::Json(times(&current))
}

/// Applies the operations in the path to the session: `insert:a:1,remove:b,clear,update:a,renew,purge,wait`. `insert`
/// takes JSON, `sign_in:7:remember` signs a user in, and `update` appends the digit 1 to a number. `block:100` blocks the worker thread for 100 ms. The response
/// names the thread.
async fn act(
    request: HttpRequest,
    session: Session,
    current: CurrentSession,
    ops: web::Path<String>,
    gate: web::Data<Gate>,
) -> actix_web::Result<impl Responder> {
    let gate = gate.into_inner();
    for (verb, name, value) in ops.split(',').map(words) {
        match verb {
            "insert" => session.insert(name, serde_json::from_str::<Value>(value).unwrap())?,
            "update" => session.update(name, |number: u64| number * 10 + 1)?,
            "remove" => drop(session.remove(name)),
            "clear" => session.clear(),
            "renew" => session.renew(),
            "purge" => session.purge(),
            "sign_in" => {
                let (user, remember) = user(name, value);
                sign_in(&session, &current, user, remember)?;
            }
            "remember" => current.remember(Remember::Yes)?,
            "then" => once_stored(&current, &gate, name),
            _ => act_beside(verb, name, &gate).await,
        }
    }
    let mut response = HttpResponse::Ok();
    for (name, value) in request.headers() {
        if let Some(name) = name.as_str().strip_prefix(RETURNED) {
            response.append_header((name, value.clone()));
        }
    }
    Ok(response.body(thread()))
}

async fn list(
    registry: web::Data<Registry>,
    current: CurrentSession,
    user: web::Path<String>,
) -> Result<impl Responder, Error> {
    let page = registry.list(&user, &current, 0, 100).await?;
    Ok(web::Json(shown(&page.sessions)))
}

async fn revoke(registry: web::Data<Registry>, path: web::Path<(String, String)>) -> actix_web::Result<String> {
    let handle: Handle = path.1.parse().map_err(ErrorNotFound)?;
    if !registry.revoke(&path.0, &handle).await? {
        return Err(ErrorNotFound("no such session"));
    }
    Ok("1".to_owned())
}

async fn revoke_all(registry: web::Data<Registry>, user: web::Path<String>) -> Result<String, Error> {
    Ok(registry.revoke_all(&user).await?.to_string())
}

async fn decide(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let decision = request.headers().get(EXTENDS).map(|value| extends(value.as_bytes()));
    if let Some(decision) = decision {
        request.extensions_mut().insert(decision);
    }
    next.call(request).await
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sessions/{user}", web::get().to(list))
        .route("/revoke/{user}/{handle}", web::post().to(revoke))
        .route("/revoke/{user}", web::post().to(revoke_all))
        .route("/all", web::get().to(all))
        .route("/get/{name}", web::get().to(get))
        .route("/current", web::get().to(current))
        .route("/do/{ops}", web::post().to(act));
}

/// Serves on a thread and runtime of its own, as a process would.
pub fn serve(listener: TcpListener, sessions: SessionManager, gate: Arc<Gate>, workers: usize) {
    let app = move || {
        let polls = sessions.middleware().extend_idle_timeout(false);
        App::new()
            .app_data(web::Data::from(gate.clone()))
            .app_data(web::Data::new(sessions.registry()))
            .service(web::scope("/poll").wrap(polls).configure(routes))
            .service(web::scope("").wrap(sessions.middleware()).configure(routes))
            .wrap(from_fn(decide))
    };
    let server = HttpServer::new(app)
        .workers(workers)
        // a connection that the server closes while the client takes it again fails a request
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
}
