//! [`OldSessions`]: the sessions that `actix_session::SessionMiddleware` left behind.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Once};

use actix_session::config::CookieContentSecurity;
use actix_session::storage::{LoadError, SessionKey, SessionStore};
use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, CookieJar, Key};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::value::RawValue;

use crate::backend::BackendError;
use crate::error::Error;
use crate::http::{Change, Exchange, Failure, OldSession};
use crate::session::proof::Proof;

/// The sessions that users have from [`actix_session::SessionMiddleware`], so that nobody has to sign in again.
///
/// [`SessionMiddleware::adopt`](crate::SessionMiddleware::adopt) takes them. It needs the store and the key that the former
/// middleware was given, and the same settings of its cookie. At a user's first request, the fields move to a session of this
/// crate, the old session is deleted, and the browser gets the new cookie instead of the old one. After that, nothing is left
/// of the old session: its cookie opens nothing any more, also after the user has signed out.
///
/// - Requests at the same time with one old cookie get the same session. If a reply is lost, the request can be repeated.
/// - A cookie that the key did not encrypt or sign is ignored. If the old session ended, or its record is unreadable, the user
///   has to sign in again, and an unreadable record stays.
/// - If either store is unavailable, the request gets 503, and the old cookie stays.
/// - The lifetime begins with the move. A session that has not moved yet is not listed, and cannot be revoked.
/// - If the request has a session of this crate, too, the old one ends.
///
/// Sessions of `CookieSessionStore` move too, if their cookies are encrypted, which is the default. Two browsers can have the
/// same signed cookie, so users with a signed one sign in again. That store gave out a new cookie at each change: if somebody
/// kept an earlier one, it opens a session, as it did before.
///
/// # Examples
///
/// ```no_run
/// use actix_web::{App, HttpServer, cookie::Key};
/// use shared_session::actix_session::storage::SessionStore;
/// use shared_session::{OldSessions, SessionManager, Settings};
///
/// # async fn serve(store: impl SessionStore + Send + Sync + 'static, key: Key) -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::new(&Settings::from_env()?)?;
/// let old = OldSessions::new(store, key); // what SessionMiddleware::new was given
/// HttpServer::new(move || App::new().wrap(sessions.middleware().adopt(old.clone())))
///     .bind(("127.0.0.1", 8080))?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct OldSessions {
    store: Arc<dyn OldStore>,
    key: Key,
    security: CookieContentSecurity,
    name: String,
    path: String,
    domain: Option<String>,
}

impl OldSessions {
    /// Returns the sessions in `store` whose cookies are named `id`, encrypted with `key`, for the path `/` and no domain:
    /// those of `SessionMiddleware::new(store, key)`.
    pub fn new(store: impl SessionStore + Send + Sync + 'static, key: Key) -> Self {
        Self {
            store: Arc::new(store),
            key,
            security: CookieContentSecurity::Private,
            name: "id".to_owned(),
            path: "/".to_owned(),
            domain: None,
        }
    }

    /// Sets the name of the old cookie.
    pub fn cookie_name(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// Sets the path of the old cookie, without which a browser would keep it.
    pub fn cookie_path(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    /// Sets the domain of the old cookie, without which a browser would keep it.
    pub fn cookie_domain(mut self, domain: Option<String>) -> Self {
        self.domain = domain;
        self
    }

    /// Sets whether the old cookie is encrypted or signed.
    pub fn cookie_content_security(mut self, security: CookieContentSecurity) -> Self {
        self.security = security;
        self
    }

    /// Continues the old sessions of a request.
    pub(super) async fn adopt(
        &self,
        exchange: &mut Exchange,
        request: &HttpRequest,
        is_https: bool,
    ) -> Result<(), Failure> {
        let opened = self.open(request);
        for session in &opened {
            exchange.adopt(session).await?;
        }
        // a new cookie of the same name replaces the old one
        if !opened.is_empty() && exchange.cookie_name() != self.name {
            exchange.replace_cookie(self.removal(is_https).to_string());
        }
        Ok(())
    }

    /// Returns the sessions that the cookies of a request prove.
    fn open(&self, request: &HttpRequest) -> Vec<Opened<'_>> {
        let Ok(cookies) = request.cookies() else {
            return Vec::new();
        };
        let sealed = cookies.iter().filter(|cookie| cookie.name() == self.name);
        sealed.filter_map(|cookie| self.open_cookie(cookie)).collect()
    }

    fn open_cookie(&self, sealed: &Cookie<'static>) -> Option<Opened<'_>> {
        let mut jar = CookieJar::new();
        jar.add_original(sealed.clone());
        let cookie = match self.security {
            CookieContentSecurity::Private => jar.private(&self.key).get(&self.name),
            CookieContentSecurity::Signed => jar.signed(&self.key).get(&self.name),
        };
        let key = SessionKey::try_from(cookie?.value().to_owned()).ok()?;
        // of `CookieSessionStore`
        let is_state = key.as_ref().starts_with('{');
        let unique = match (is_state, self.security) {
            (false, _) => key.as_ref(),
            (true, CookieContentSecurity::Private) => sealed.value(),
            (true, CookieContentSecurity::Signed) => {
                warn_about_signed_state();
                return None;
            }
        };
        let proof = Proof::new(self.key.master(), unique);
        Some(Opened { old: self, key, proof })
    }

    fn removal(&self, is_https: bool) -> Cookie<'_> {
        let mut cookie = Cookie::build(&self.name, "")
            .path(&self.path)
            .http_only(true)
            .secure(is_https)
            .finish();
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain);
        }
        cookie.make_removal();
        cookie
    }
}

impl fmt::Debug for OldSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("OldSessions");
        debug.field("name", &self.name).finish_non_exhaustive()
    }
}

/// A session that an old cookie proves.
struct Opened<'a> {
    old: &'a OldSessions,
    key: SessionKey,
    proof: Proof,
}

impl OldSession for Opened<'_> {
    fn proof(&self) -> &Proof {
        &self.proof
    }

    async fn load(&self) -> Result<Option<Change>, Error> {
        let state = match self.old.store.load(&self.key).await {
            Ok(Some(state)) => change(&state),
            Ok(None) => return Ok(None),
            // its text may quote a value
            Err(LoadError::Deserialization(_)) => None,
            Err(error) => return Err(unavailable(error.source())),
        };
        if state.is_none() {
            tracing::error!("a record of actix-session is unreadable, so its user has to sign in again");
        }
        Ok(state.filter(Change::sets_any))
    }

    async fn delete(&self) -> Result<(), Error> {
        let deleted = self.old.store.delete(&self.key).await;
        deleted.map_err(|error| unavailable(Some(&*error)))
    }
}

/// Returns the change that sets all fields, or `None` if one is not valid JSON.
fn change(state: &HashMap<String, String>) -> Option<Change> {
    let is_json = |json: &String| serde_json::from_str::<&RawValue>(json).is_ok();
    let set = |change: Change, (name, json): (&String, &String)| change.with_field(name, json);
    let is_valid = state.values().all(is_json);
    is_valid.then(|| state.iter().fold(Change::default(), set))
}

fn unavailable(cause: Option<&(dyn std::error::Error + 'static)>) -> Error {
    let cause = cause.map(ToString::to_string).unwrap_or_default();
    Error::Unavailable(BackendError::unavailable(format!(
        "the store of actix-session: {cause}"
    )))
}

fn warn_about_signed_state() {
    static WARNING: Once = Once::new();
    WARNING.call_once(|| {
        tracing::warn!(
            "signed cookies of CookieSessionStore are not adopted, because two browsers can have the same one"
        );
    });
}

/// [`SessionStore`] as an object.
trait OldStore: Send + Sync {
    fn load<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> LocalBoxFuture<'a, Result<Option<HashMap<String, String>>, LoadError>>;

    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> LocalBoxFuture<'a, Result<(), Box<dyn std::error::Error + 'static>>>;
}

impl<S: SessionStore + Send + Sync> OldStore for S {
    fn load<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> LocalBoxFuture<'a, Result<Option<HashMap<String, String>>, LoadError>> {
        SessionStore::load(self, key).boxed_local()
    }

    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> LocalBoxFuture<'a, Result<(), Box<dyn std::error::Error + 'static>>> {
        let delete = async move { SessionStore::delete(self, key).await.map_err(Into::into) };
        delete.boxed_local()
    }
}
