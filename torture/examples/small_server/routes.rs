//! The eight routes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    changes::carry_out,
    connection::Error,
    cookies,
    fault::Fault,
    renewal::give_new_id,
    store::{Change, Store, Target},
};

const VALUE_LIMIT: usize = 1 << 20;

type Parameters = Query<HashMap<String, String>>;

/// Why a request was not carried out.
pub enum Failure {
    Redis(Error),
    Status(StatusCode),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}

impl From<StatusCode> for Failure {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            // the error goes with it for the faults that answer otherwise
            Self::Redis(error) => (StatusCode::SERVICE_UNAVAILABLE, Extension(error)).into_response(),
            Self::Status(status) => status.into_response(),
        }
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
        .with_state(store)
}

type TheStore = State<Arc<Store>>;

async fn read(State(store): TheStore, Query(parameters): Parameters, headers: HeaderMap) -> Result<Response, Failure> {
    let ids = cookies::ids(&headers, store.fault);
    let names = parameters.get("names").map(String::as_str).unwrap_or_default();
    let names: Vec<String> = names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let fields = store
        .read(&ids, &names)
        .await?
        .map(|session| session.fields)
        .unwrap_or_default();
    let members: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", json(name)))
        .collect();
    let answer = format!("{{{}}}", members.join(","));
    if store.fault == Some(Fault::EmptyVisits) && ids.is_empty() {
        let id = cookies::new_id();
        store
            .change(&id, Target::New, &Change::Remove("none".to_owned()))
            .await?;
        return Ok(([(SET_COOKIE, cookies::set(&id))], answer).into_response());
    }
    Ok(answer.into_response())
}

/// Sets a field, at once or after a time to wait.
async fn set(
    State(store): TheStore,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Failure> {
    let wait = parameters
        .get("wait")
        .map(|wait| wait.parse().map(Duration::from_millis))
        .transpose();
    let change = Change::Set(name(&parameters)?, value(&store, &body)?);
    carry_out(&store, &headers, change, wait.map_err(|_| StatusCode::BAD_REQUEST)?).await
}

async fn remove(
    State(store): TheStore,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    carry_out(&store, &headers, Change::Remove(name(&parameters)?), None).await
}

async fn add(State(store): TheStore, headers: HeaderMap, body: String) -> Result<Response, Failure> {
    carry_out(&store, &headers, Change::Add(value(&store, &body)?), None).await
}

async fn count(State(store): TheStore, headers: HeaderMap) -> Result<Response, Failure> {
    carry_out(&store, &headers, Change::Count, None).await
}

async fn sign_in(State(store): TheStore, headers: HeaderMap, body: String) -> Result<Response, Failure> {
    give_new_id(&store, &headers, &value(&store, &body)?).await
}

async fn renew(State(store): TheStore, headers: HeaderMap) -> Result<Response, Failure> {
    give_new_id(&store, &headers, "").await
}

async fn log_out(State(store): TheStore, headers: HeaderMap) -> Result<Response, Failure> {
    let mut ids = cookies::ids(&headers, None);
    if store.fault == Some(Fault::TwoCookies) {
        ids.truncate(1);
    }
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
fn value(store: &Store, body: &str) -> Result<String, StatusCode> {
    if body.len() > VALUE_LIMIT {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let cut = store.fault == Some(Fault::LargeSession) && body.len() > 64 << 10;
    Ok(json(if cut {
        body.get(..64 << 10).unwrap_or_default()
    } else {
        body
    }))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
