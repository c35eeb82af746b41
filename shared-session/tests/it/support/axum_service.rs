//! The same service behind the door for tower, in axum.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use shared_session::http::{Facts, JsonValue};
use shared_session::tower::{Session, sign_in};
use shared_session::{CurrentSession, Error, Handle, Remember, SessionManager};
use tokio::runtime::Builder;

use super::{EXTENDS, Gate, RETURNED, act_beside, extends, once_stored, shown, thread, times, user, words};

#[derive(Clone)]
struct Service {
    sessions: SessionManager,
    gate: Arc<Gate>,
}

/// Shows the fields of a session that is loaded once more, because [`Session`] cannot list its own, which are the same.
async fn all(
    State(service): State<Service>,
    session: Session,
    headers: HeaderMap,
) -> Result<Json<HashMap<String, String>>, Error> {
    let cookies = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    let facts = Facts {
        is_safe: true,
        is_https: false,
        extends_idle_timeout: true,
    };
    let exchange = service.sessions.begin(cookies, facts).await?;
    for (name, json) in exchange.fields() {
        let value = session.get_value(name).await.unwrap();
        assert!(
            value.is_some_and(|value| value.is(json)),
            "the handler sees another value"
        );
    }
    let fields = exchange.fields().map(|(name, json)| (name.to_owned(), json.to_owned()));
    Ok(Json(fields.collect()))
}

async fn read(session: Session, Path(name): Path<String>) -> String {
    let value = session.get_value(&name).await.unwrap();
    value.map(|value| value.to_string()).unwrap_or_default()
}

async fn current(current: CurrentSession) -> Json<Value> {
    Json(times(&current))
}

/// Applies operations as the service behind the other door does, and also `delete`, `save` and `load`.
async fn act(
    State(service): State<Service>,
    session: Session,
    current: CurrentSession,
    headers: HeaderMap,
    Path(ops): Path<String>,
) -> Result<(HeaderMap, String), Error> {
    for (verb, name, value) in ops.split(',').map(words) {
        match verb {
            "insert" => {
                let value: Value = serde_json::from_str(value).unwrap();
                session.insert_value(name, value).await.unwrap();
            }
            "update" => {
                if let Some(number) = session.get::<u64>(name).await.unwrap() {
                    session.insert(name, number * 10 + 1).await.unwrap();
                }
            }
            "remove" => drop(session.remove_value(name).await.unwrap()),
            "clear" => session.clear().await,
            "renew" => session.cycle_id().await.unwrap(),
            "purge" => session.flush().await.unwrap(),
            "delete" => session.delete().await.unwrap(),
            "save" => session.save().await.unwrap(),
            "load" => session.load().await.unwrap(),
            "sign_in" => {
                let (user, remember) = user(name, value);
                sign_in(&session, &current, user, remember).await?;
            }
            "remember" => current.remember(Remember::Yes)?,
            "then" => once_stored(&current, &service.gate, name),
            _ => act_beside(verb, name, &service.gate).await,
        }
    }
    let returned = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(RETURNED)?;
        Some((HeaderName::try_from(name).unwrap(), value.clone()))
    });
    let mut response = HeaderMap::new();
    for (name, value) in returned {
        response.append(name, value);
    }
    Ok((response, thread()))
}

async fn list(
    State(service): State<Service>,
    current: CurrentSession,
    Path(user): Path<String>,
) -> Result<Json<Value>, Error> {
    let page = service.sessions.registry().list(&user, &current, 0, 100).await?;
    Ok(Json(shown(&page.sessions)))
}

async fn revoke(
    State(service): State<Service>,
    Path((user, handle)): Path<(String, String)>,
) -> Result<Response, Error> {
    let revoked = match handle.parse::<Handle>() {
        Ok(handle) => service.sessions.registry().revoke(&user, &handle).await?,
        Err(_) => false,
    };
    Ok(if revoked {
        "1".into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    })
}

async fn revoke_all(State(service): State<Service>, Path(user): Path<String>) -> Result<String, Error> {
    Ok(service.sessions.registry().revoke_all(&user).await?.to_string())
}

async fn decide(mut request: Request, next: Next) -> Response {
    let decision = request.headers().get(EXTENDS).map(|value| extends(value.as_bytes()));
    if let Some(decision) = decision {
        request.extensions_mut().insert(decision);
    }
    next.run(request).await
}

fn routes(service: Service) -> Router {
    Router::new()
        .route("/sessions/{user}", get(list))
        .route("/revoke/{user}/{handle}", post(revoke))
        .route("/revoke/{user}", post(revoke_all))
        .route("/all", get(all))
        .route("/get/{name}", get(read))
        .route("/current", get(current))
        .route("/do/{ops}", post(act))
        .with_state(service)
}

/// Serves on a thread and runtime of its own, as a process would.
pub fn serve(listener: TcpListener, sessions: SessionManager, gate: Arc<Gate>, workers: usize) {
    let layer = sessions.layer();
    let routes = routes(Service { sessions, gate });
    let polls = routes.clone().layer(layer.clone().extend_idle_timeout(false));
    let app = Router::new()
        .nest("/poll", polls)
        .merge(routes.layer(layer))
        .layer(from_fn(decide));
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
}
