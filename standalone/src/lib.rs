//! Both services in one process on one port, sessions in memory unless told otherwise: to look at without Docker or Redis.

use actix_web::web::{self, ServiceConfig};
use service_kit::server::resource;
use service_kit::{Resources, Service};

/// Both services as one, with what the proxy adds in the full stack.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "Both services in one process: the whole application without proxy, Docker or Redis",
    bind: "127.0.0.1:8080",
    prefixes: &["/user", "/task"],
    standalone: true,
};

/// Returns the routes of both services.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let (user, task) = (user_service::routes(resources), task_service::routes(resources));
    move |config| {
        config
            .service(web::redirect("/", "/user/").using_status_code(actix_web::http::StatusCode::FOUND))
            // The addresses of the original lecture, before the services' own scopes, which would answer that nothing is there.
            .service(resource("/user/redis_session_set.php", user_service::redis_session_set))
            .service(resource("/task/redis_session_get.php", task_service::redis_session_get));
        user(config);
        task(config);
    }
}
