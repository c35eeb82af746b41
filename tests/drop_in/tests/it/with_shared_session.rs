//! The applications, with the middleware of shared-session.

#[path = "applications/mod.rs"]
mod applications;
/// The part of an application that differs from the one with actix-session.
mod middleware {
    use actix_web::body::BoxBody;
    use shared_session::{SessionManager, SessionMiddleware, Settings};

    /// The body of an application that has `ErrorHandlers` below its sessions.
    pub type BodyAboveErrorHandlers = BoxBody;

    #[derive(Clone)]
    pub struct Sessions {
        manager: SessionManager,
    }

    impl Sessions {
        pub const COOKIE: &str = "sid";

        #[allow(clippy::unused_async)] // actix-session connects here
        pub async fn open(redis: &str) -> Self {
            let settings = Settings::default().with_store(redis).unwrap();
            Self {
                manager: SessionManager::new(&settings).unwrap(),
            }
        }

        pub fn middleware(&self) -> SessionMiddleware {
            self.manager.middleware()
        }
    }
}
