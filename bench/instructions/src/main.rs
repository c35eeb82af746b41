//! Serves requests of one kind on one worker, and exits. `bench/instructions.sh` counts its instructions with callgrind.
//!
//! The client is a process of its own, so that it is not counted: `instructions KIND REQUESTS` starts it.

mod client;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use shared_session::{Session, SessionManager, Settings};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["client", address, kind, requests] => client::run(address, kind, requests.parse()?),
        [kind, requests] => rt::System::new().block_on(serve(kind, requests)),
        _ => Err("usage: SESSION_STORE=URL instructions (bare|no-cookie|read|change) REQUESTS".into()),
    }
}

/// How long the cache gets to connect to Redis. Before, it is off.
const CONNECTS: Duration = Duration::from_secs(2);

/// Serves the requests of one client.
async fn serve(kind: &str, requests: &str) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = if kind == "bare" {
        let server = HttpServer::new(|| App::new().route("/bare", web::get().to(bare)));
        server.workers(1).disable_signals().listen(listener)?.run()
    } else {
        let settings = Settings::from_env()?;
        let sessions = SessionManager::new(&settings)?;
        if settings.cache().is_some() {
            rt::time::sleep(CONNECTS).await;
        }
        let server = HttpServer::new(move || {
            App::new()
                .wrap(sessions.middleware())
                .route("/sign-in", web::post().to(sign_in))
                .route("/read", web::get().to(read))
                .route("/change", web::post().to(change))
        });
        server.workers(1).disable_signals().listen(listener)?.run()
    };
    let handle = server.handle();
    rt::spawn(server);
    let done = run_client(address, kind, requests).await;
    handle.stop(false).await;
    done
}

async fn run_client(address: SocketAddr, kind: &str, requests: &str) -> Result<()> {
    let mut client = Command::new(std::env::current_exe()?);
    let mut client = client.args(["client", &address.to_string(), kind, requests]).spawn()?;
    let status = web::block(move || client.wait()).await??;
    if status.success() {
        Ok(())
    } else {
        Err("the client failed".into())
    }
}

async fn sign_in(session: Session) -> actix_web::Result<&'static str> {
    session.insert("username", "홍길동")?;
    session.insert("userid", "kky")?;
    Ok("signed in")
}

/// The page without a session.
async fn bare() -> String {
    page("홍길동", "kky")
}

async fn read(session: Session) -> actix_web::Result<String> {
    let name: Option<String> = session.get("username")?;
    let id: Option<String> = session.get("userid")?;
    Ok(page(&name.unwrap_or_default(), &id.unwrap_or_default()))
}

async fn change(session: Session) -> actix_web::Result<String> {
    let visits: u32 = session.get("visits")?.unwrap_or(1_000);
    session.insert("visits", visits + 1)?;
    Ok(page("visits", &visits.to_string()))
}

fn page(name: &str, id: &str) -> String {
    format!("<!doctype html><title>User</title><p>{name} ({id})</p>")
}
