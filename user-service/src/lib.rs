//! The pages under `/user`. What they put into the session, the pages of other services read.

use actix_web::web::{self, ServiceConfig};
use actix_web::{Responder, Result};
use askama::Template;
use service_kit::page::{self, Page};
use service_kit::{Frame, Resources, Routes, Service, field};
use shared_session::Session;

const PREFIX: &str = "/user";

/// The service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "The pages under /user: the service that writes the session",
    bind: "127.0.0.1:8081",
    prefixes: &[PREFIX],
    whole: false,
    routes,
};

/// Makes the routes under `/user`.
pub fn routes(_: &Resources) -> Routes {
    Routes::new(add)
}

fn add(config: &mut ServiceConfig) {
    config.service(page::moved("/user", "/user/")).service(
        web::scope(PREFIX)
            .service(page::resource("/", index))
            .service(page::resource("/redis_session_set", redis_session_set)),
    );
}

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    frame: Frame,
    fields: Vec<String>,
    visitor: String,
}

async fn index(session: Session) -> impl Responder {
    Page(Index {
        frame: Frame::of(&session, PREFIX, "/user/"),
        fields: field::names(&session),
        visitor: field::text(&session, "username"),
    })
}

#[derive(Template)]
#[template(path = "redis_session_set.html")]
struct RedisSessionSet {
    frame: Frame,
    username: String,
    userid: String,
}

/// The lecture's first page: puts a user into the session and shows what is then there.
///
/// # Errors
///
/// When the session does not take a value.
pub async fn redis_session_set(session: Session) -> Result<impl Responder> {
    session.insert("username", "홍길동")?;
    session.insert("userid", "kky")?;
    Ok(Page(RedisSessionSet {
        frame: Frame::bare(PREFIX),
        username: field::text(&session, "username"),
        userid: field::text(&session, "userid"),
    }))
}
