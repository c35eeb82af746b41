//! The applications, with the middleware of actix-session.

#[path = "applications/mod.rs"]
mod applications;
/// The part of an application that a move to shared-session replaces.
mod middleware {
    use actix_session::SessionMiddleware;
    use actix_session::storage::RedisSessionStore;
    use actix_web::body::{BoxBody, EitherBody};
    use actix_web::cookie::Key;

    /// The body of an application that has `ErrorHandlers` below its sessions.
    pub type BodyAboveErrorHandlers = EitherBody<BoxBody>;

    #[derive(Clone)]
    pub struct Sessions {
        store: RedisSessionStore,
        key: Key,
    }

    impl Sessions {
        pub const COOKIE: &str = "id";

        pub async fn open(redis: &str) -> Self {
            Self {
                store: RedisSessionStore::new(redis).await.unwrap(),
                key: Key::generate(),
            }
        }

        pub fn middleware(&self) -> SessionMiddleware<RedisSessionStore> {
            SessionMiddleware::builder(self.store.clone(), self.key.clone())
                .cookie_secure(false)
                .build()
        }
    }
}
