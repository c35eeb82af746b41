//! The pages under `/task`: the signed-in person's tasks, and the drafts of who is not signed in.
//!
//! Who is signed in, this service reads out of the session that another one writes; drafts it writes there itself.

pub mod drafts;
mod forms;
mod lecture;
mod list;
mod page;
pub mod task;
pub mod tasks;

use actix_web::web::{self, Data, ServiceConfig};
use service_kit::server::{moved_permanently, resource};
use service_kit::{Resources, Service};

pub use crate::lecture::redis_session_get;
use crate::tasks::Tasks;

const PREFIX: &str = "/task";
/// The one page, by its address.
const HOME: &str = "/task/";

/// The service.
pub const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: "The pages under /task: the signed-in person's tasks, and drafts for who is not signed in",
    bind: "127.0.0.1:8082",
    prefixes: &[PREFIX],
    standalone: false,
};

/// Returns the routes under `/task`.
pub fn routes(resources: &Resources) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static + use<> {
    let tasks = Data::from(tasks::open(&resources.database));
    move |config| add(config, tasks.clone())
}

fn add(config: &mut ServiceConfig, tasks: Data<dyn Tasks>) {
    config.service(moved_permanently(PREFIX, HOME)).service(
        web::scope(PREFIX)
            .app_data(tasks)
            .service(resource("/", forms::index).post(forms::add))
            .service(resource("/redis_session_get", redis_session_get))
            .service(web::resource("/{id}/done").post(forms::set_done))
            .service(web::resource("/{id}/title").post(forms::rename))
            .service(web::resource("/{id}/delete").post(forms::delete)),
    );
}
