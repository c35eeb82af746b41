//! The applications for tower-sessions, with its layer and its store in memory.

#[path = "tower_applications/mod.rs"]
mod applications;
/// The part of an application that a move to shared-session replaces.
mod middleware {
    use axum::Router;
    use axum_login::{AuthManagerLayerBuilder, AuthnBackend};
    use tower_sessions::{MemoryStore, SessionManagerLayer};

    pub struct Sessions(SessionManagerLayer<MemoryStore>);

    impl Sessions {
        pub const COOKIE: &str = "id";

        pub fn open() -> Self {
            Self(SessionManagerLayer::new(MemoryStore::default()).with_secure(false))
        }

        pub fn provide(&self, routes: Router) -> Router {
            routes.layer(self.0.clone())
        }

        pub fn provide_login(&self, routes: Router, users: impl AuthnBackend + 'static) -> Router {
            routes.layer(AuthManagerLayerBuilder::new(users, self.0.clone()).build())
        }
    }
}
