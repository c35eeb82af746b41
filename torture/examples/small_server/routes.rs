//! The eight routes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    connection::Error,
    cookies,
    store::{Change, Store},
};

/// The longest body that is read, so that its sender gets the answer.
const BODY_LIMIT: usize = 4 << 20;
const VALUE_LIMIT: usize = 1 << 20;

type Parameters = Query<HashMap<String, String>>;

/// Why a request was not carried out.
pub struct Failure(StatusCode);

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl From<StatusCode> for Failure {
    fn from(status: StatusCode) -> Self {
        Self(status)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/session", get(read).post(sign_in))
        .route("/set", post(set))
        .route("/slow", post(set))
        .route("/remove", post(remove))
        .route("/add", post(add))
        .route("/count", post(count))
        .route("/renew", post(renew))
        .route("/logout", post(log_out))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(store)
}

async fn read(
    State(store): State<Arc<Store>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<String, Failure> {
    let names = parameters.get("names").map(String::as_str).unwrap_or_default();
    let names: Vec<String> = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let session = store.read(&cookies::ids(&headers), &names).await?;
    let fields = session.map(|session| session.fields).unwrap_or_default();
    let members: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", json(name)))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}

async fn set(
    State(store): State<Arc<Store>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Failure> {
    let wait = parameters
        .get("wait")
        .map_or(Ok(0), |wait| wait.parse())
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let change = Change::Set {
        name: name(&parameters)?,
        value: value(&body)?,
    };
    carry_out(&store, &headers, change, Duration::from_millis(wait)).await
}

async fn remove(
    State(store): State<Arc<Store>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    carry_out(
        &store,
        &headers,
        Change::Remove {
            name: name(&parameters)?,
        },
        Duration::ZERO,
    )
    .await
}

async fn add(State(store): State<Arc<Store>>, headers: HeaderMap, body: String) -> Result<Response, Failure> {
    carry_out(&store, &headers, Change::Add { item: value(&body)? }, Duration::ZERO).await
}

async fn count(State(store): State<Arc<Store>>, headers: HeaderMap) -> Result<Response, Failure> {
    carry_out(&store, &headers, Change::Count, Duration::ZERO).await
}

/// Reads the session, waits, and changes it; begins one if there is none.
async fn carry_out(store: &Store, headers: &HeaderMap, change: Change, wait: Duration) -> Result<Response, Failure> {
    let session = store.read(&cookies::ids(headers), &[]).await?;
    tokio::time::sleep(wait).await;
    let Some(session) = session else {
        let id = cookies::new_id();
        store.begin(&id, &change).await?;
        return Ok([(SET_COOKIE, cookies::set(&id))].into_response());
    };
    match store.change(&session.id, &change).await? {
        true => Ok(().into_response()),
        false => Err(StatusCode::CONFLICT.into()),
    }
}

async fn sign_in(State(store): State<Arc<Store>>, headers: HeaderMap, body: String) -> Result<Response, Failure> {
    give_new_id(&store, &headers, &value(&body)?).await
}

async fn renew(State(store): State<Arc<Store>>, headers: HeaderMap) -> Result<Response, Failure> {
    give_new_id(&store, &headers, "").await
}

async fn give_new_id(store: &Store, headers: &HeaderMap, user: &str) -> Result<Response, Failure> {
    let id = cookies::new_id();
    store.renew(&cookies::ids(headers), &id, user).await?;
    Ok([(SET_COOKIE, cookies::set(&id))].into_response())
}

async fn log_out(State(store): State<Arc<Store>>, headers: HeaderMap) -> Result<Response, Failure> {
    let ids = cookies::ids(&headers);
    if ids.is_empty() {
        return Ok(().into_response());
    }
    store.end(&ids).await?;
    Ok([(SET_COOKIE, cookies::delete())].into_response())
}

/// Returns the field that a request names.
fn name(parameters: &HashMap<String, String>) -> Result<String, StatusCode> {
    parameters
        .get("name")
        .filter(|name| !name.is_empty())
        .cloned()
        .ok_or(StatusCode::BAD_REQUEST)
}

/// Returns a body as JSON, unless it is too long.
fn value(body: &str) -> Result<String, StatusCode> {
    if body.len() > VALUE_LIMIT {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(json(body))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
