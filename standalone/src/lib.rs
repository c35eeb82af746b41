//! Serves both services in one process on one port, so that `cargo run` needs neither a proxy nor Docker nor Redis.

use actix_web::web;
use service_kit::{Resources, Routes, Service, page};

/// Both services as one. It also does what the proxy does in the full stack.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Serves the whole application in one process, without a proxy, Docker or Redis",
    bind: "127.0.0.1:8080",
    prefixes: &["/user", "/task"],
    whole: true,
    routes,
};

fn routes(resources: &Resources) -> Routes {
    let (user, task) = (user_service::routes(resources), task_service::routes(resources));
    Routes::new(move |config| {
        config
            .service(web::redirect("/", "/user/").using_status_code(actix_web::http::StatusCode::FOUND))
            // the addresses of the lecture's PHP pages; before the services' scopes, which respond with 404
            .service(page::resource(
                "/user/redis_session_set.php",
                user_service::redis_session_set,
            ))
            .service(page::resource(
                "/task/redis_session_get.php",
                task_service::redis_session_get,
            ));
        user.add(config);
        task.add(config);
    })
}
