use actix_web::{App, HttpServer, error::ErrorNotFound, web};
use shared_session::actix::sign_in;
use shared_session::{CurrentSession, Error, Handle, Registry, Remember, Session, SessionManager, Settings};

#[derive(serde::Deserialize)]
struct Login {
    user: String,
    remember: Option<String>, // the box "Stay signed in": a browser sends it if it is checked
}

/// Signs a user in. A real one verifies a password first.
async fn log_in(session: Session, current: CurrentSession, form: web::Form<Login>) -> Result<&'static str, Error> {
    sign_in(&session, &current, &form.user, Remember::from(form.remember.is_some()))?;
    Ok("signed in\n")
}

async fn log_out(session: Session) -> &'static str {
    session.purge();
    "signed out\n"
}

/// Lists the sessions of the signed-in user, and marks this one.
async fn devices(
    session: Session,
    current: CurrentSession,
    registry: web::Data<Registry>,
) -> actix_web::Result<String> {
    let Some(user) = session.get::<String>("userid")? else {
        return Err(ErrorNotFound("not signed in\n"));
    };
    let page = registry.list(&user, &current, 0, 20).await?; // the next page begins at page.next
    let lines = page.sessions.iter().map(|session| {
        let device = session.device.as_deref().unwrap_or("unknown"); // sent by the browser: escape it in HTML
        format!("{} {device} {}\n", session.handle, if session.current { "(this one)" } else { "" })
    });
    Ok(lines.collect())
}

/// Revokes one session of the user. `revoke_all` and `revoke_others` revoke several.
async fn revoke(
    session: Session,
    registry: web::Data<Registry>,
    handle: web::Path<String>,
) -> actix_web::Result<&'static str> {
    let user = session.get::<String>("userid")?.unwrap_or_default();
    let handle: Handle = handle.parse().map_err(ErrorNotFound)?;
    if !registry.revoke(&user, &handle).await? {
        return Err(ErrorNotFound("no such session\n"));
    }
    Ok("revoked\n")
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::post().to(log_in))
        .route("/logout", web::post().to(log_out))
        .route("/devices", web::get().to(devices))
        .route("/devices/{handle}", web::delete().to(revoke));
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let sessions = SessionManager::new(&Settings::from_env()?)?;
    let registry = web::Data::new(sessions.registry());
    let app = move || App::new().wrap(sessions.middleware()).app_data(registry.clone()).configure(routes);
    HttpServer::new(app).bind(("127.0.0.1", 8080))?.run().await?;
    Ok(())
}
