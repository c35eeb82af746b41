//! [`Engine`]: the sessions of an application.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{Either, Env, Error, Object, Result};
use napi_derive::napi;
use parking_lot::Mutex;
use shared_session::http::{Facts, is_https, is_safe};
use shared_session::{Handle, SessionInfo, SessionManager, Settings};

use crate::exchange::{Exchange, milliseconds};
use crate::failure::Failure;
use crate::runtime::{promise, runtime};

type Engines = HashMap<BTreeMap<String, String>, Weak<SessionManager>>;

/// The engines of the process by their settings, so that all its workers share one.
static ENGINES: Mutex<Option<Engines>> = Mutex::new(None);

/// The sessions of an application.
#[napi]
pub struct Engine(Arc<SessionManager>);

/// What a request says about its session. Texts have one character for each byte, as Node.js reads headers.
#[napi(object)]
pub struct Request {
    /// The method.
    pub method: Option<String>,
    /// The `Cookie` header.
    pub cookie: Option<String>,
    /// The `Forwarded` header.
    pub forwarded: Option<String>,
    /// The `X-Forwarded-Proto` header.
    pub forwarded_proto: Option<String>,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// Whether the request extends the idle timeout.
    pub extends_idle_timeout: bool,
    /// Whether the request had a session when it loaded it before.
    pub had_session: bool,
}

/// A page of a user's sessions.
#[napi(object)]
pub struct Page {
    /// The sessions: the longest-lasting first, and of two of one kind the newer first.
    pub sessions: Vec<Info>,
    /// The offset of the next page.
    pub next: Option<u32>,
}

/// One of a user's sessions.
#[napi(object)]
pub struct Info {
    /// The session's public name.
    pub handle: String,
    /// When it was created, in milliseconds since 1970.
    pub created: Option<f64>,
    /// When it was last used, in milliseconds since 1970.
    pub last_used: f64,
    /// The `User-Agent` that signed in.
    pub device: Option<String>,
    /// Whether the user stays signed in.
    pub remembered: bool,
    /// Whether it is the session of the request that asks.
    pub current: bool,
}

#[napi]
impl Engine {
    /// Opens the engine that the variables `SESSION_*` describe, or another worker's with the same ones. `is_strict` refuses
    /// variables that are no setting.
    #[napi(constructor)]
    pub fn new(variables: HashMap<String, String>, is_strict: bool) -> Result<Self> {
        let mut engines = ENGINES.lock();
        let engines = engines.get_or_insert_default();
        engines.retain(|_, engine| engine.strong_count() > 0);
        let variables = BTreeMap::from_iter(variables);
        if let Some(engine) = engines.get(&variables).and_then(Weak::upgrade) {
            return Ok(Self(engine));
        }
        let mut unread = variables.clone();
        let settings =
            Settings::from_variables(|variable| unread.remove(variable).map(OsString::from)).map_err(reason)?;
        if is_strict && let Some((variable, _)) = unread.first_key_value() {
            return Err(Error::from_reason(format!("{variable}: unknown setting")));
        }
        let _runtime = runtime()?.enter();
        let builder = SessionManager::builder(&settings).work_here();
        let engine = Arc::new(builder.build().map_err(reason)?);
        engines.insert(variables, Arc::downgrade(&engine));
        Ok(Self(engine))
    }

    /// Loads the session of a request. Returns the promise of an [`Exchange`] or a [`Failure`].
    #[napi]
    pub fn begin<'env>(&self, env: &'env Env, request: Request) -> Result<Object<'env>> {
        let sessions = self.0.clone();
        promise(env, async move {
            let [cookie, forwarded, proto] =
                [request.cookie, request.forwarded, request.forwarded_proto].map(|text| text.as_deref().map(latin1));
            let facts = Facts {
                is_safe: request.method.as_deref().is_some_and(is_safe),
                is_https: is_https(forwarded.as_deref().into_iter(), proto.as_deref(), || {
                    request.is_encrypted
                }),
                extends_idle_timeout: request.extends_idle_timeout,
            };
            let cookies = cookie.as_deref().into_iter();
            match sessions.begin_again(cookies, facts, request.had_session).await {
                Ok(exchange) => Either::A(Exchange::from(exchange)),
                Err(failure) => Either::B(Failure::from(failure)),
            }
        })
    }

    /// Logs that two doors serve one request.
    #[napi]
    pub fn report_nested(&self) {
        self.0.misuse().report_nested();
    }

    /// Checks that the store replies. Returns the promise of nothing or a [`Failure`].
    #[napi]
    pub fn ready<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let sessions = self.0.clone();
        promise(env, async move { result(sessions.ready().await) })
    }

    /// Waits until everything that requests began to store is stored.
    #[napi]
    pub fn drain<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let sessions = self.0.clone();
        promise(env, async move { sessions.drain().await })
    }

    /// Lists a user's sessions. Returns the promise of a [`Page`] or a [`Failure`].
    #[napi]
    pub fn list<'env>(
        &self,
        env: &'env Env,
        user: String,
        current: Option<&Exchange>,
        offset: u32,
        limit: u32,
    ) -> Result<Object<'env>> {
        let current = current.map(|exchange| exchange.current.clone()).unwrap_or_default();
        let registry = self.0.registry();
        promise(env, async move {
            let page = registry.list(&user, &current, offset as usize, limit as usize).await;
            result(page.map(|page| Page {
                sessions: page.sessions.into_iter().map(Info::from).collect(),
                next: page.next.and_then(|next| next.try_into().ok()),
            }))
        })
    }

    /// Revokes the session with this handle. Returns the promise of whether there was one, or a [`Failure`].
    #[napi]
    pub fn revoke<'env>(&self, env: &'env Env, user: String, handle: String) -> Result<Object<'env>> {
        let registry = self.0.registry();
        promise(env, async move {
            match handle.parse::<Handle>() {
                Ok(handle) => result(registry.revoke(&user, &handle).await),
                Err(_) => Either::A(false),
            }
        })
    }

    /// Revokes a user's sessions, except the one of `current` if it is given. Returns the promise of their number or a
    /// [`Failure`].
    #[napi]
    pub fn revoke_all<'env>(&self, env: &'env Env, user: String, current: Option<&Exchange>) -> Result<Object<'env>> {
        let current = current.map(|exchange| exchange.current.clone());
        let registry = self.0.registry();
        promise(env, async move {
            let revoked = match current {
                Some(current) => registry.revoke_others(&user, &current).await,
                None => registry.revoke_all(&user).await,
            };
            result(revoked.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
        })
    }
}

impl From<SessionInfo> for Info {
    fn from(info: SessionInfo) -> Self {
        Self {
            handle: info.handle.to_string(),
            created: info.created.map(milliseconds),
            last_used: milliseconds(info.last_used),
            device: info.device,
            remembered: info.remembered,
            current: info.current,
        }
    }
}

/// Returns the bytes of a header that Node.js read, one for each character.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(character).unwrap_or(b'?'))
        .collect()
}

fn result<T>(result: std::result::Result<T, shared_session::Error>) -> Either<T, Failure> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(Failure::from(error)),
    }
}

pub(crate) fn reason(error: impl ToString) -> Error {
    Error::from_reason(error.to_string())
}
