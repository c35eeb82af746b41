//! The servers in Rust that are measured: the same pages on each kind of session. They know nothing about the load.

use std::net::TcpListener;
use std::time::Duration;

use actix_session::config::{BrowserSession, TtlExtensionPolicy};
use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::error::ErrorInternalServerError;
use actix_web::{App, HttpServer, Result, web};
use serde::Deserialize;
use shared_session::{SessionManager, Settings};

use crate::candidate::Candidate;

/// The number of fields that the hot session counts in. It is larger than the number of connections, because wrk takes one
/// slot to test its script, and may take more if it connects anew.
pub const SLOTS: u32 = 1_000;

/// `SESSION_CACHE` of [`Candidate::Cache`].
pub const CACHE: Duration = Duration::from_secs(2);

/// Runs one server, and prints its port to standard output. `store` is the URL of its database in Redis.
pub async fn serve(candidate: Candidate, store: &str, workers: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let server = match candidate {
        Candidate::Bare => HttpServer::new(|| App::new().route("/read", web::get().to(bare)))
            .workers(workers)
            .listen(listener)?
            .run(),
        Candidate::Alternative | Candidate::AlternativeDefault => {
            let policy = match candidate {
                Candidate::Alternative => TtlExtensionPolicy::OnEveryRequest,
                _ => TtlExtensionPolicy::OnStateChanges,
            };
            let lifecycle = BrowserSession::default().state_ttl_extension_policy(policy);
            let store = RedisSessionStore::new(store).await?;
            let key = Key::generate();
            let sessions = move || {
                SessionMiddleware::builder(store.clone(), key.clone())
                    .session_lifecycle(lifecycle.clone())
                    .build()
            };
            HttpServer::new(move || App::new().wrap(sessions()).configure(routes))
                .workers(workers)
                .listen(listener)?
                .run()
        }
        Candidate::Redis | Candidate::Cache | Candidate::Memory => {
            let settings = Settings::default();
            let settings = match candidate {
                Candidate::Memory => settings.with_store("memory:")?,
                Candidate::Cache => settings.with_store(store)?.with_cache(Some(CACHE))?,
                _ => settings.with_store(store)?,
            };
            let sessions = SessionManager::new(&settings)?;
            HttpServer::new(move || App::new().wrap(sessions.middleware()).configure(routes))
                .workers(workers)
                .listen(listener)?
                .run()
        }
    };
    Ok(server.await?)
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/new", web::post().to(create))
        .route("/read", web::get().to(read))
        .route("/count", web::get().to(count))
        .route("/change", web::post().to(change))
        .route("/sign-in", web::post().to(sign_in))
        .route("/slot/{number}", web::post().to(increment_slot))
        .route("/slots", web::get().to(sum_of_slots));
}

/// What a new session holds.
#[derive(Deserialize)]
struct New {
    user: u32,
    fields: u32,
    /// The length of each field's value.
    bytes: usize,
}

async fn create(session: Session, new: web::Query<New>) -> Result<String> {
    session.insert("userid", format!("user{}", new.user))?;
    session.insert("username", "홍길동")?;
    session.insert("count", 0)?;
    for number in 0..new.fields {
        session.insert(format!("field_{number}"), "x".repeat(new.bytes))?;
    }
    Ok(String::new())
}

async fn bare() -> Result<String> {
    page(Some("홍길동".to_owned()), Some("user1".to_owned()))
}

async fn read(session: Session) -> Result<String> {
    page(session.get("username")?, session.get("userid")?)
}

/// Fails if the session was not found, so that such a response is counted as an error.
fn page(username: Option<String>, userid: Option<String>) -> Result<String> {
    match (username, userid) {
        (Some(username), Some(userid)) => Ok(format!("hello {username} ({userid})\n")),
        _ => Err(ErrorInternalServerError("the session has no user")),
    }
}

/// Shows how often the session was changed.
async fn count(session: Session) -> Result<String> {
    Ok(changes(&session)?.to_string())
}

async fn change(session: Session) -> Result<String> {
    session.insert("count", changes(&session)? + 1)?;
    Ok(String::new())
}

fn changes(session: &Session) -> Result<u64> {
    let count = session.get("count")?;
    count.ok_or_else(|| ErrorInternalServerError("the session has no count"))
}

/// Renews the id and sets another user. A session alternates between two users, so each sign-in changes the user, and the list
/// of a user's sessions does not grow.
async fn sign_in(session: Session) -> Result<String> {
    let user = session.get::<String>("userid")?;
    let user = user.ok_or_else(|| ErrorInternalServerError("the session has no user"))?;
    let other = match user.strip_suffix("-b") {
        Some(first) => first.to_owned(),
        None => format!("{user}-b"),
    };
    session.renew();
    session.insert("userid", other)?;
    Ok(String::new())
}

/// Counts in a field of its own for each slot. The load uses a slot for one request at a time, so a missing count is a lost
/// change.
async fn increment_slot(session: Session, number: web::Path<u32>) -> Result<String> {
    let field = format!("slot_{number}");
    let count = session.get::<u64>(&field)?.unwrap_or_default();
    session.insert(field, count + 1)?;
    Ok(number.to_string())
}

async fn sum_of_slots(session: Session) -> Result<String> {
    let mut sum = 0;
    for number in 0..SLOTS {
        sum += session.get::<u64>(&format!("slot_{number}"))?.unwrap_or_default();
    }
    Ok(sum.to_string())
}
