//! [`Manager`]: the settings, and for each process the manager that they describe.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use shared_session::http::{Facts, Failure};
use shared_session::{CurrentSession, Handle, Registry, SessionManager, SessionPage, Settings, SettingsError};

use crate::call::Call;
use crate::engine::{Engine, lock};
use crate::exchange::{Exchange, Request};
use crate::hooks::Hooks;

/// The sessions of an application. It holds settings only, so it can be built before a fork.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Manager(Arc<Sessions>);

pub struct Sessions {
    number: u64,
    settings: Settings,
}

impl Sessions {
    /// Returns the manager of this process. It is built at the first call.
    pub fn open(&self, py: Python<'_>, engine: &'static Engine) -> PyResult<SessionManager> {
        if let Some(manager) = lock(&engine.managers).get(&self.number) {
            return Ok(manager.clone());
        }
        // without the lock: a thread with the GIL may wait for the lock, but no thread with the lock for the GIL
        let _runtime = engine.runtime.enter();
        let builder = SessionManager::builder(&self.settings).work_here();
        let manager = builder.build().map_err(|error| invalid(py, &error))?;
        Ok(lock(&engine.managers).entry(self.number).or_insert(manager).clone())
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let removed = Engine::current().map(|engine| lock(&engine.managers).remove(&self.number));
        drop(removed);
    }
}

#[pymethods]
impl Manager {
    /// Creates the manager of these settings, by the names of their variables. Reads the environment first, if `from_env`.
    #[new]
    fn new(py: Python<'_>, settings: Vec<(String, String)>, from_env: bool) -> PyResult<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut unread: BTreeMap<_, _> = settings.into_iter().collect();
        let from_env = |variable| if from_env { std::env::var_os(variable) } else { None };
        let value = |variable| {
            unread
                .remove(variable)
                .map(OsString::from)
                .or_else(|| from_env(variable))
        };
        let all = Settings::from_variables(value).map_err(|error| invalid(py, &error))?;
        if let Some(variable) = unread.keys().next() {
            return Err(PyTypeError::new_err(format!("unknown setting: {variable}")));
        }
        // reads the files, and checks that the settings agree
        SessionManager::new(&all).map_err(|error| invalid(py, &error))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Sessions { number, settings: all })))
    }

    #[getter]
    fn principal_field(&self) -> &str {
        self.0.settings.principal_field()
    }

    #[getter]
    fn is_memory(&self) -> bool {
        self.0.settings.is_memory()
    }

    #[pyo3(signature = (cookies, *, safe, https, extends_idle_timeout=true))]
    fn begin(&self, cookies: Vec<Bound<'_, PyBytes>>, safe: bool, https: bool, extends_idle_timeout: bool) -> Call {
        let facts = Facts {
            is_safe: safe,
            is_https: https,
            extends_idle_timeout,
        };
        let cookies = cookies.iter().map(|cookie| cookie.as_bytes().to_owned()).collect();
        let request = Arc::new(Request {
            sessions: self.0.clone(),
            cookies,
            facts,
        });
        let begun = request.clone();
        Call::new(
            move |py, engine| Ok(begun.begin(begun.sessions.open(py, engine)?, false)),
            |py, exchange| Exchange::new(request, exchange).into_py_any(py),
        )
    }

    #[pyo3(signature = (user, exchange=None, offset=0, limit=100))]
    fn list(&self, user: String, exchange: Option<&Exchange>, offset: usize, limit: usize) -> Call {
        let current = current(exchange);
        let list = async move |registry: Registry| registry.list(&user, &current, offset, limit).await;
        self.call(list, |py, page| rows(page).into_py_any(py))
    }

    /// Revokes the session with this handle. A text that is no handle names no session.
    fn revoke(&self, user: String, handle: &str) -> Call {
        let handle: Option<Handle> = handle.parse().ok();
        let revoke = async move |registry: Registry| match handle {
            Some(handle) => registry.revoke(&user, &handle).await,
            None => Ok(false),
        };
        self.call(revoke, |py, revoked| revoked.into_py_any(py))
    }

    #[pyo3(signature = (user, exchange=None))]
    fn revoke_others(&self, user: String, exchange: Option<&Exchange>) -> Call {
        let current = current(exchange);
        let revoke = async move |registry: Registry| registry.revoke_others(&user, &current).await;
        self.call(revoke, |py, count| count.into_py_any(py))
    }

    fn revoke_all(&self, user: String) -> Call {
        let revoke = async move |registry: Registry| registry.revoke_all(&user).await;
        self.call(revoke, |py, count| count.into_py_any(py))
    }

    /// Checks that the store replies, for a readiness probe.
    fn ready(&self) -> Call {
        let sessions = self.0.clone();
        Call::new(
            move |py, engine| {
                let manager = sessions.open(py, engine)?;
                Ok(async move { manager.ready().await.map_err(Failure::of_handler) })
            },
            |py, ()| Ok(py.None()),
        )
    }
}

impl Manager {
    /// Returns the call of an operation of the registry.
    fn call<T: Send + 'static, F: Future<Output = Result<T, shared_session::Error>> + Send + 'static>(
        &self,
        operation: impl FnOnce(Registry) -> F + Send + 'static,
        make: fn(Python<'_>, T) -> PyResult<Py<PyAny>>,
    ) -> Call {
        let sessions = self.0.clone();
        let start = move |py: Python<'_>, engine| {
            let future = operation(sessions.open(py, engine)?.registry());
            Ok(async move { future.await.map_err(Failure::of_handler) })
        };
        Call::new(start, make)
    }
}

/// Waits for at most `seconds` until everything that this process began to store is stored.
#[pyfunction]
pub fn drain(py: Python<'_>, seconds: f64) -> PyResult<()> {
    let Some(engine) = Engine::current() else {
        return Ok(());
    };
    let managers: Vec<SessionManager> = lock(&engine.managers).values().cloned().collect();
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let drain = move |_: Python<'_>, _: &'static Engine| {
        let all = async move {
            for manager in managers {
                manager.drain().await;
            }
        };
        Ok(async move {
            let _ = tokio::time::timeout(time, all).await;
            Ok(())
        })
    };
    Call::new(drain, |py, ()| Ok(py.None())).wait(py).map(drop)
}

fn current(exchange: Option<&Exchange>) -> CurrentSession {
    exchange.map(Exchange::current).unwrap_or_default()
}

/// A session of a user: its handle, when it was created and last used, its device, whether it is remembered, and whether it is the
/// current one.
type Row = (String, Option<f64>, f64, Option<String>, bool, bool);

fn rows(page: SessionPage) -> (Vec<Row>, Option<usize>) {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    };
    let row = |session: shared_session::SessionInfo| {
        let (created, last_used) = (session.created.map(seconds), seconds(session.last_used));
        (
            session.handle.to_string(),
            created,
            last_used,
            session.device,
            session.remembered,
            session.current,
        )
    };
    (page.sessions.into_iter().map(row).collect(), page.next)
}

/// Returns the exception of an invalid setting.
fn invalid(py: Python<'_>, error: &SettingsError) -> PyErr {
    Hooks::exception(py, "ConfigurationError", error.to_string())
}
