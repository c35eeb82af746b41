//! The pages under `/task`. They show what other services put into the session.

pub mod task;
pub mod tasks;

use actix_web::Responder;
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use service_kit::page::{self, Page};
use service_kit::{Frame, Resources, Routes, Service, field};
use shared_session::Session;

const PREFIX: &str = "/task";

/// The service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "The pages under /task: the service that reads the session",
    bind: "127.0.0.1:8082",
    prefixes: &[PREFIX],
    whole: false,
    routes,
};

/// Makes the routes under `/task`.
pub fn routes(_: &Resources) -> Routes {
    Routes::new(add)
}

fn add(config: &mut ServiceConfig) {
    config.service(page::moved("/task", "/task/")).service(
        web::scope(PREFIX)
            .service(page::resource("/", index))
            .service(page::resource("/redis_session_get", redis_session_get)),
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
        frame: Frame::of(&session, PREFIX, "/task/"),
        fields: field::names(&session),
        visitor: field::text(&session, "username"),
    })
}

#[derive(Template)]
#[template(path = "redis_session_get.html")]
struct RedisSessionGet {
    frame: Frame,
    username: String,
    userid: String,
}

/// The lecture's second page: shows the user that the session holds, blank where it holds none.
pub async fn redis_session_get(session: Session) -> impl Responder {
    Page(RedisSessionGet {
        frame: Frame::bare(PREFIX),
        username: field::text(&session, "username"),
        userid: field::text(&session, "userid"),
    })
}
