//! Serves both services in one process on one port, so that `cargo run` needs neither a proxy nor Docker nor Redis.

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use service_kit::server::resource;
use service_kit::site::navigation::SESSION;
use service_kit::{Resources, Service};

/// Both services as one. It also does what the proxy does in the full stack.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Serves the whole application in one process, without a proxy, Docker or Redis",
    bind: "127.0.0.1:8080",
    prefixes: &["/user", "/task"],
    standalone: true,
};

/// Returns the routes of both services.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let (user, task) = (user_service::routes(resources), task_service::routes(resources));
    move |config| {
        config
            .service(web::redirect("/", SESSION).using_status_code(StatusCode::FOUND))
            // the addresses of the lecture's PHP pages; before the services' scopes, which respond with 404
            .service(resource("/user/redis_session_set.php", user_service::redis_session_set))
            .service(resource("/task/redis_session_get.php", task_service::redis_session_get));
        user(config);
        task(config);
    }
}
