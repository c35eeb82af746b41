//! What every HTTP request of a service passes, whatever it asks for.

pub(crate) mod csrf;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod request_id;
mod resource;
pub mod security_headers;

pub use self::csrf::is_from_another_site;
pub use self::resource::{moved_permanently, resource};
