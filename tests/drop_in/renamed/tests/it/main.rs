//! Applications of the parent folder, unchanged: their `use actix_session::…` finds shared-session.

mod applications;
#[path = "../../../tests/it/cookies.rs"]
mod cookies;
#[allow(dead_code)] // other tests use more of it
#[path = "../../../tests/it/support.rs"]
mod support;

/// The part of an application that differs from the one with actix-session.
mod middleware {
    use actix_session::{SessionManager, SessionMiddleware, Settings};
    use actix_web::body::BoxBody;

    /// The body of an application that has `ErrorHandlers` below its sessions.
    pub type BodyAboveErrorHandlers = BoxBody;

    #[derive(Clone)]
    pub struct Sessions(SessionManager);

    impl Sessions {
        pub const COOKIE: &str = "sid";

        pub fn open(redis: &str) -> Self {
            let settings = Settings::default().with_store(redis).unwrap();
            Self(SessionManager::new(&settings).unwrap())
        }

        pub fn middleware(&self) -> SessionMiddleware {
            self.0.middleware()
        }
    }
}
