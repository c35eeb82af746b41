use actix_web::{App, HttpServer, error::ErrorNotFound, web};
use shared_session::{CurrentSession, Handle, Registry, Session, SessionManager, Settings};

/// Signs a user in whose password was verified. With a new id, as somebody else may know the old one.
async fn log_in(session: Session, user: web::Path<String>) -> actix_web::Result<&'static str> {
    session.renew();
    session.insert("userid", user.into_inner())?;
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
        .route("/login/{user}", web::post().to(log_in))
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
