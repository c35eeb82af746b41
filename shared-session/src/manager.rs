//! [`SessionManager`]: what an application holds of this crate, built from [`Settings`].

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::memory::Memory;
use crate::backend::redis::Redis;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::error::Error;
use crate::http::middleware::{CookieRules, SessionMiddleware};
use crate::settings::{Settings, SettingsError};
use crate::store::registry::Registry;
use crate::store::{Rules, Store};

/// The sessions of an application. Build one and clone it into every worker: clones share the connection to the store.
#[derive(Clone)]
pub struct SessionManager {
    store: Store,
    cookie: Arc<CookieRules>,
}

impl SessionManager {
    /// Sessions as the settings say. Nothing is connected yet, so a service starts while its store is away.
    ///
    /// # Errors
    ///
    /// When a setting cannot be.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Self::builder(settings).build()
    }

    /// The same with another backend, codec or clock than the settings name.
    #[must_use]
    pub fn builder(settings: &Settings) -> Builder {
        Builder {
            settings: settings.clone(),
            clock: Clock::system(),
            backend: None,
            codec: None,
        }
    }

    /// The middleware that gives handlers their `Session`. Wrap an application or a scope with it, once.
    #[must_use]
    pub fn middleware(&self) -> SessionMiddleware {
        SessionMiddleware::new(self.store.clone(), self.cookie.clone())
    }

    /// Whose sessions there are, and the way to end them. Give it to handlers as application data:
    /// `.app_data(web::Data::new(sessions.registry()))`, and take a `web::Data<Registry>`.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::new(self.store.clone())
    }

    /// Whether the store answers: what a readiness check asks.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await
    }
}

/// Builds a [`SessionManager`] with parts of one's own.
pub struct Builder {
    settings: Settings,
    clock: Clock,
    backend: Option<Arc<dyn Backend>>,
    codec: Option<Arc<dyn Codec>>,
}

impl Builder {
    /// Keeps records in `backend` instead of where `SESSION_STORE` says.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Spells records with `codec`; cookie, ids and keys stay those of `SESSION_FORMAT`.
    #[must_use]
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Self {
        self.codec = Some(codec);
        self
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The sessions.
    ///
    /// # Errors
    ///
    /// When a setting cannot be.
    pub fn build(self) -> Result<SessionManager, SettingsError> {
        let settings = &self.settings;
        let backend = match self.backend {
            Some(backend) => backend,
            None => open(settings, &self.clock)?,
        };
        let rules = Rules {
            format: settings.format,
            key_prefix: settings.key_prefix().to_owned(),
            ttl: settings.ttl,
            lifetime: settings.lifetime,
            principal_field: settings.principal_field.clone(),
            timeout: settings.store_timeout,
        };
        let codec = self.codec.unwrap_or_else(|| settings.format.codec());
        let cookie = CookieRules {
            name: settings.cookie_name().to_owned(),
            secure: settings.cookie_secure,
        };
        Ok(SessionManager {
            store: Store::new(backend, codec, rules, self.clock),
            cookie: Arc::new(cookie),
        })
    }
}

/// The backend that `SESSION_STORE` names. A new one is an arm here.
fn open(settings: &Settings, clock: &Clock) -> Result<Arc<dyn Backend>, SettingsError> {
    if settings.is_memory() {
        return Ok(Arc::new(Memory::new(clock.clone())));
    }
    let redis = Redis::new(settings.connection_info()?, settings.store_timeout);
    let redis = redis.map_err(|error| SettingsError::store(&error.to_string()))?;
    Ok(Arc::new(redis))
}
