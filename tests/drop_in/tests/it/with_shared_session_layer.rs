//! The applications for tower-sessions, with the layer of shared-session.

#[path = "tower_applications/mod.rs"]
mod applications;
/// The part of an application that differs from the one with tower-sessions.
mod middleware {
    use axum::Router;
    use axum_login::{AuthManager, AuthnBackend};
    use shared_session::tower::SessionLayer;
    use shared_session::{SessionManager, Settings};
    use tower::layer::layer_fn;

    pub struct Sessions(SessionLayer);

    impl Sessions {
        pub const COOKIE: &str = "sid";

        pub fn open() -> Self {
            Self(SessionManager::new(&Settings::default()).unwrap().layer())
        }

        pub fn provide(&self, routes: Router) -> Router {
            routes.layer(self.0.clone())
        }

        /// `AuthManagerLayerBuilder` takes the layer of tower-sessions only.
        pub fn provide_login(&self, routes: Router, users: impl AuthnBackend + 'static) -> Router {
            let login = layer_fn(move |inner| AuthManager::new(inner, users.clone(), "axum-login.data"));
            routes.layer(login).layer(self.0.clone())
        }
    }
}
