//! [`SessionManager`]: builds the middleware and the registry from [`Settings`].

use std::fmt;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::memory::Memory;
#[cfg(feature = "redis")]
use crate::backend::near_cache::NearCache;
#[cfg(feature = "redis")]
use crate::backend::redis::{Connection, Redis};
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Error;
use crate::http::{Exchange, Facts, Failure, ForwardAuth, Misuse, Shared};
use crate::metrics;
use crate::settings::{Settings, SettingsError, StoreUrl, warn_about_unknown_variables};
use crate::store::registry::Registry;
use crate::store::{Rules, Store};

/// The sessions of an application.
///
/// Build one per process, before `HttpServer::new`, and clone it into every worker. Clones share the connection to the
/// store. With `memory:` they share the sessions, too. If the closure of `HttpServer` built a manager, each worker would have
/// its own sessions, and a user would be signed in at one worker only. The log warns about this.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use shared_session::{Session, SessionManager, Settings};
///
/// async fn name(session: Session) -> actix_web::Result<String> {
///     Ok(session.get("name")?.unwrap_or_default())
/// }
///
/// let sessions = SessionManager::new(&Settings::default())?; // in memory
/// let app = move || {
///     App::new()
///         .wrap(sessions.middleware())
///         .app_data(web::Data::new(sessions.registry()))
///         .route("/name", web::get().to(name))
/// };
/// # let _ = app();
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionManager {
    shared: Arc<Shared>,
}

impl SessionManager {
    /// Creates the manager that the settings describe. Does not connect yet, so a service can start while its store is
    /// unreachable.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a file that the settings name cannot be read or is invalid, or if the settings contradict
    /// each other.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Self::builder(settings).build()
    }

    /// Returns a builder that can replace the backend, the codec or the clock.
    pub fn builder(settings: &Settings) -> Builder {
        Builder {
            settings: settings.clone(),
            clock: Clock::system(),
            backend: None,
            codec: None,
            works_here: false,
        }
    }

    /// Loads the session of a request whose `Cookie` headers have these values. For doors: see [`http`](crate::http).
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if the session cannot be loaded. The handler must not be called then.
    pub async fn begin<'a>(&self, cookies: impl Iterator<Item = &'a [u8]>, facts: Facts) -> Result<Exchange, Failure> {
        Exchange::begin(self.shared.clone(), cookies, facts).await
    }

    /// Loads the session of a request once more, for instance after a change that it stored before its response. `had_session`
    /// says whether there was one before. If it ended since, it is not begun again.
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if the session cannot be loaded, and that of [`Error::Ended`](crate::Error::Ended) if it is gone.
    pub async fn begin_again<'a>(
        &self,
        cookies: impl Iterator<Item = &'a [u8]>,
        facts: Facts,
        had_session: bool,
    ) -> Result<Exchange, Failure> {
        self.begin(cookies, facts).await?.again(had_session)
    }

    /// Returns a handler that tells a proxy who is signed in, for programs without a library.
    pub fn forward_auth(&self) -> ForwardAuth {
        ForwardAuth::new(self.shared.clone())
    }

    /// Returns the log of the application's misuse, for doors.
    #[must_use]
    pub fn misuse(&self) -> &Misuse {
        &self.shared.misuse
    }

    /// Returns the registry, which lists and revokes a user's sessions.
    ///
    /// Give it to handlers as application data, `.app_data(web::Data::new(sessions.registry()))`, and extract a
    /// `web::Data<Registry>`.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::new(self.shared.store.clone())
    }

    /// Waits until everything that requests began to store is stored, even for clients that disconnected, and until renewals
    /// whose new id reached no browser are undone.
    ///
    /// Call it after the server has stopped and before the process exits. While the store is unavailable it can take 30 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use actix_web::{App, HttpServer};
    /// use shared_session::{SessionManager, Settings};
    ///
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = SessionManager::new(&Settings::from_env()?)?;
    /// let middleware = sessions.middleware();
    /// HttpServer::new(move || App::new().wrap(middleware.clone())).bind("127.0.0.1:8080")?.run().await?;
    /// let _ = actix_web::rt::time::timeout(Duration::from_secs(5), sessions.drain()).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self) {
        self.shared.store.drain().await;
    }

    /// Checks that the store replies. Use it for a readiness probe.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if the store does not reply within `SESSION_STORE_TIMEOUT`, refuses the request, or the circuit
    /// breaker is open.
    pub async fn ready(&self) -> Result<(), Error> {
        self.shared.store.check().await
    }
}

/// Builds a [`SessionManager`] with its own backend, codec or clock.
///
/// # Examples
///
/// A service's tests can move the clock, so that sessions expire:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// use shared_session::{Clock, SessionManager, Settings};
///
/// let seconds = Arc::new(AtomicU64::new(1_700_000_000));
/// let now = seconds.clone();
/// let clock = Clock::new(move || Duration::from_secs(now.load(Ordering::Relaxed)));
/// let sessions = SessionManager::builder(&Settings::default()).clock(clock).build()?;
/// seconds.fetch_add(3600, Ordering::Relaxed); // one hour later
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
///
/// [`Backend`] shows a backend of one's own.
#[must_use]
pub struct Builder {
    settings: Settings,
    clock: Clock,
    backend: Option<Arc<dyn Backend>>,
    codec: Option<Arc<dyn Codec>>,
    works_here: bool,
}

impl Builder {
    /// Stores records in `backend` instead of `SESSION_STORE`. Several managers can share one.
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Encodes records with `codec`. Cookie name, ids and keys remain those of `SESSION_FORMAT`.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// Takes the time from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Works in the background on the runtime that [`build`](Self::build) is called in, which must run until the process exits: it
    /// undoes renewals whose new id reached no browser, and learns what [changed](Settings::with_cache). By default threads of its
    /// own do, which no fork of the process has.
    pub fn work_here(mut self) -> Self {
        self.works_here = true;
        self
    }

    /// Builds the manager. It does not connect yet.
    ///
    /// # Panics
    ///
    /// Panics outside a runtime after [`work_here`](Self::work_here).
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if a file that the settings name cannot be read or is invalid, or if the settings contradict
    /// each other.
    pub fn build(self) -> Result<SessionManager, SettingsError> {
        metrics::describe();
        warn_about_unknown_variables();
        let settings = &self.settings;
        let cookie = settings.cookie_rules()?;
        let misuse = Misuse::new(settings.is_memory() && self.backend.is_none());
        let backend = match &self.backend {
            Some(backend) => backend.clone(),
            None => self.open()?,
        };
        let codec = self.codec.unwrap_or_else(|| settings.format().codec());
        let mut store = Store::new(backend, codec, settings.into(), self.clock);
        if self.works_here {
            store = store.settling_here();
        }
        let shared = Arc::new(Shared { store, cookie, misuse });
        Ok(SessionManager { shared })
    }

    /// Returns the backend of `SESSION_STORE`. A new backend adds one arm.
    fn open(&self) -> Result<Arc<dyn Backend>, SettingsError> {
        match self.settings.store() {
            StoreUrl::Memory => Ok(Arc::new(Memory::new(self.clock.clone()))),
            #[cfg(feature = "redis")]
            StoreUrl::Redis(_) => {
                let redis = Redis::new(Connection::open(&self.settings)?);
                let Some(bound) = self.settings.cache() else {
                    return Ok(Arc::new(redis));
                };
                let cache = NearCache::new(redis, bound);
                Ok(Arc::new(if self.works_here { cache.watching_here() } else { cache }))
            }
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Builder");
        debug.field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl From<&Settings> for Rules {
    fn from(settings: &Settings) -> Self {
        Self {
            format: settings.format(),
            key_prefix: settings.key_prefix().to_owned(),
            ttl: settings.ttl(),
            lifetime: settings.lifetime(),
            remember_ttl: settings.remember_ttl(),
            remember_lifetime: settings.remember_lifetime(),
            principal_field: settings.principal_field().to_owned(),
            timeout: settings.store_timeout(),
            max_size: settings.max_size(),
            max_per_user: settings.max_per_user(),
        }
    }
}
