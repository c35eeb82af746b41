//! The routes of the fault suite, with actix-session and its store for Redis.

use std::{collections::HashMap, env, time::Duration};

use actix_session::{Session, SessionMiddleware, storage::RedisSessionStore};
use actix_web::{App, HttpResponse, HttpServer, Result, cookie::Key, error::ErrorBadRequest, rt::time::sleep, web};
use serde_json::{Map, Value};

type Query = web::Query<HashMap<String, String>>;

async fn fields(s: Session, query: Query) -> Result<HttpResponse> {
    let mut fields = Map::new();
    for name in query["names"].split(',') {
        fields.extend(s.get(name)?.map(|value| (name.to_owned(), value)));
    }
    Ok(HttpResponse::Ok().json(fields))
}

async fn change(path: web::Path<String>, s: Session, query: Query, body: String) -> Result<HttpResponse> {
    match path.as_str() {
        "session" => {
            s.renew();
            s.insert("user", body)?;
        }
        "set" => s.insert(&query["name"], body)?,
        "remove" => drop(s.remove(&query["name"])),
        "add" => {
            let items: Vec<String> = s.get("items")?.unwrap_or_default();
            s.insert("items", [items, vec![body]].concat())?;
        }
        "count" => s.insert("n", s.get::<u64>("n")?.unwrap_or(0) + 1)?,
        "slow" => {
            s.get::<Value>(&query["name"])?;
            sleep(Duration::from_millis(query["wait"].parse().map_err(ErrorBadRequest)?)).await;
            s.insert(&query["name"], body)?;
        }
        "renew" => s.renew(),
        "logout" => s.purge(),
        _ => return Ok(HttpResponse::NotFound().finish()),
    }
    Ok(HttpResponse::Ok().finish())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = RedisSessionStore::new(env::var("REDIS_URL")?).await?;
    let key = Key::from(&[7; 64]);
    let app = move || {
        App::new()
            .wrap(SessionMiddleware::builder(store.clone(), key.clone()).cookie_secure(false).build())
            .app_data(web::PayloadConfig::new(4 << 20))
            .route("/session", web::get().to(fields))
            .route("/{change}", web::post().to(change))
    };
    HttpServer::new(app).bind(format!("127.0.0.1:{}", env::var("PORT")?))?.run().await?;
    Ok(())
}
