//! The routes of the fault suite, with tower-sessions and its store for Redis.

use std::{collections::HashMap, env, time::Duration};

use axum::extract::{DefaultBodyLimit, Path};
use axum::{Json, Router, http::StatusCode, routing};
use serde_json::{Map, Value};
use tokio::{net::TcpListener, time::sleep};
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_redis_store::{RedisStore, fred::prelude::*};

type Query = axum::extract::Query<HashMap<String, String>>;

async fn fields(s: Session, query: Query) -> Result<Json<Map<String, Value>>, StatusCode> {
    let mut fields = Map::new();
    for name in query["names"].split(',') {
        let value = s.get(name).await.or(Err(StatusCode::INTERNAL_SERVER_ERROR))?;
        fields.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(Json(fields))
}

async fn change(path: Path<String>, s: Session, query: Query, body: String) -> Result<(), StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    match path.as_str() {
        "session" => {
            s.cycle_id().await.map_err(failed)?;
            s.insert("user", body).await.map_err(failed)
        }
        "set" => s.insert(&query["name"], body).await.map_err(failed),
        "remove" => s.remove_value(&query["name"]).await.map(drop).map_err(failed),
        "add" => {
            let items: Vec<String> = s.get("items").await.map_err(failed)?.unwrap_or_default();
            s.insert("items", [items, vec![body]].concat()).await.map_err(failed)
        }
        "count" => s.insert("n", s.get::<u64>("n").await.map_err(failed)?.unwrap_or(0) + 1).await.map_err(failed),
        "slow" => {
            s.get_value(&query["name"]).await.map_err(failed)?;
            sleep(Duration::from_millis(query["wait"].parse().or(Err(StatusCode::BAD_REQUEST))?)).await;
            s.insert(&query["name"], body).await.map_err(failed)
        }
        "renew" => s.cycle_id().await.map_err(failed),
        "logout" => s.flush().await.map_err(failed),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // this client takes further Sentinels and the service's name from the query
    let url = env::var("REDIS_URL")?.replacen(',', "?node=", 1).replace(',', "&node=");
    let config = Config::from_url(&url.replace("/mymaster", "&sentinelServiceName=mymaster"))?;
    let pool = Pool::new(config, None, None, Some(ReconnectPolicy::default()), 6)?;
    pool.init().await?;
    let sessions = SessionManagerLayer::new(RedisStore::new(pool)).with_secure(false);
    let routes = Router::new().route("/{path}", routing::get(fields).post(change));
    let app = routes.layer(sessions).layer(DefaultBodyLimit::max(4 << 20));
    let listener = TcpListener::bind(format!("127.0.0.1:{}", env::var("PORT")?)).await?;
    Ok(axum::serve(listener, app).await?)
}
