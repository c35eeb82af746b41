//! [`Exchange`]: a request and its session. [`Outcome`]: what the response says about the session.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use shared_session::http::{self, Facts, Failure, Wish};
use shared_session::{CurrentSession, Remember, SessionManager};

use crate::call::{Call, inherited};
use crate::failure;
use crate::manager::Sessions;
use crate::process::Own;

/// What a request came with: enough to load its session again in a child process.
pub struct Request {
    pub sessions: Arc<Sessions>,
    pub cookies: Vec<Vec<u8>>,
    pub facts: Facts,
}

impl Request {
    /// Loads the session. `had_session` says whether the request loaded one before.
    pub fn begin(
        self: &Arc<Self>,
        manager: SessionManager,
        had_session: bool,
    ) -> impl Future<Output = Result<http::Exchange, Failure>> + Send + use<> {
        let request = self.clone();
        async move {
            let cookies = request.cookies.iter().map(Vec::as_slice);
            manager.begin_again(cookies, request.facts, had_session).await
        }
    }
}

/// A request and its session, from the request's arrival to its response.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Exchange {
    request: Arc<Request>,
    exchange: Mutex<Option<Own<http::Exchange>>>,
    current: Own<CurrentSession>,
    /// The user who is signed in, if any.
    #[pyo3(get)]
    user: Option<String>,
    /// Whether the request has a session cookie, even an invalid one.
    #[pyo3(get)]
    has_cookie: bool,
}

impl Exchange {
    pub fn new(request: Arc<Request>, exchange: http::Exchange) -> Self {
        Self {
            request,
            current: Own::new(exchange.current()),
            user: exchange.user().map(Cow::into_owned),
            has_cookie: exchange.has_cookie(),
            exchange: Mutex::new(Some(Own::new(exchange))),
        }
    }

    /// Returns the session that the request came with, also in a child.
    pub fn current(&self) -> CurrentSession {
        self.current.inherited().cloned().unwrap_or_default()
    }

    fn with<T>(&self, read: impl FnOnce(&http::Exchange) -> T) -> PyResult<T> {
        let exchange = crate::engine::lock(&self.exchange);
        let exchange = exchange.as_ref().and_then(Own::get);
        exchange.map(read).ok_or_else(finished)
    }
}

fn finished() -> PyErr {
    PyRuntimeError::new_err("the request is finished, or belongs to the process that forked this one")
}

#[pymethods]
impl Exchange {
    /// Returns the fields of the session, the values as JSON text, in the record's order.
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        self.with(|exchange| {
            exchange
                .fields()
                .try_for_each(|(name, json)| fields.set_item(name, json))
        })??;
        Ok(fields)
    }

    /// The public name of the session, as the registry shows it.
    #[getter]
    fn handle(&self) -> Option<String> {
        self.current().handle().map(|handle| handle.to_string())
    }

    /// Whether the user who is signed in stays signed in.
    #[getter]
    fn remembered(&self) -> bool {
        self.current().remembered()
    }

    /// Checks that `user` names a user whom the request can sign in. A child of a fork can do so for the request of its parent.
    fn check_user(&self, user: &Bound<'_, PyAny>) -> PyResult<()> {
        // the rest takes a lock, also in a child. No fork leaves it locked: a fork waits for this call, which holds the GIL, and the
        // engine takes the lock only when it finishes the request
        if crate::engine::lock(&self.exchange).is_none() {
            return Err(finished());
        }
        let current = self.current();
        let announced = if let Ok(text) = user.cast::<PyString>() {
            current.announce_sign_in(&text.to_cow()?, Remember::No)
        } else if user.is_instance_of::<PyInt>() && !user.is_instance_of::<PyBool>() {
            // one that does not fit is too large, and refused
            current.announce_sign_in(&user.extract().unwrap_or(i64::MAX), Remember::No)
        } else {
            current.announce_sign_in(&None::<i64>, Remember::No)
        };
        match announced {
            Ok(_) => Ok(()),
            Err(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }

    /// Waits until the session that the request came with has ended. Never ends without a session.
    fn ended(&self) -> Call {
        let current = self.current.get().cloned().map(Own::new);
        let start = move |_: Python<'_>, _| {
            let current = current.and_then(Own::into_inner).ok_or_else(inherited)?;
            Ok(async move {
                current.ended().await;
                Ok(())
            })
        };
        Call::new(start, |py, ()| Ok(py.None())).stoppable()
    }

    /// Returns the exception of a session that holds a value which cannot be read.
    fn unreadable(&self, py: Python<'_>, reason: &str) -> PyResult<Py<PyAny>> {
        let failure = self.with(|exchange| exchange.unreadable(reason))?;
        failure::raise(py, failure).into_py_any(py)
    }

    /// Stores what the handler changed: the fields in `changed`, as JSON text, or `None` for those that it removed. The wish is
    /// `keep`, `renew` or `end`. `remember` says whether a user whom this signs in stays signed in. A child of a fork can finish the
    /// request of its parent.
    #[pyo3(signature = (wish, changed, user_agent=None, remember=false))]
    fn finish(
        &self,
        wish: &str,
        changed: HashMap<String, Option<String>>,
        user_agent: Option<Vec<u8>>,
        remember: bool,
    ) -> PyResult<Call> {
        let wish = match wish {
            "keep" => Wish::Keep,
            "renew" => Wish::Renew,
            "end" => Wish::Destroy,
            _ => return Err(PyValueError::new_err("the wish is keep, renew or end")),
        };
        let taken = crate::engine::lock(&self.exchange).take().ok_or_else(finished)?;
        let (request, had_session) = (self.request.clone(), self.current().handle().is_some());
        let start = move |py: Python<'_>, engine| {
            let begun = match taken.into_inner() {
                Some(exchange) => Ok(exchange),
                // the parent's, which a child loads again
                None => Err(request.begin(request.sessions.open(py, engine)?, had_session)),
            };
            Ok(async move {
                let exchange = match begun {
                    Ok(exchange) => exchange,
                    Err(beginning) => beginning.await?,
                };
                if remember {
                    let remembered = exchange.current().remember(Remember::Yes);
                    remembered.map_err(Failure::of_handler)?;
                }
                let change = exchange.change_of(wish, changed);
                exchange.finish(wish, change, user_agent.as_deref()).await
            })
        };
        Ok(Call::new(start, |py, outcome| {
            Outcome(Mutex::new(Some(Own::new(outcome)))).into_py_any(py)
        }))
    }
}

/// What the response says about the session. Dropping it instead of taking its headers undoes a renewal.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Outcome(Mutex<Option<Own<http::Outcome>>>);

#[pymethods]
impl Outcome {
    /// Returns the headers to set in a response that has these values of `Vary` and `Cache-Control`, and is sent at once.
    /// `set-cookie` is added; any other header replaces those of its name.
    #[pyo3(signature = (vary, cache_control))]
    fn headers(&self, vary: Vec<String>, cache_control: Vec<String>) -> PyResult<Vec<(&'static str, String)>> {
        let outcome = crate::engine::lock(&self.0)
            .take()
            .and_then(Own::into_inner)
            .ok_or_else(finished)?;
        let added = outcome.headers(|name| {
            let values = if name == "vary" { &vary } else { &cache_control };
            values.iter().map(String::as_bytes)
        });
        Ok(added
            .into_iter()
            .flatten()
            .map(|(name, value)| (name, value.into_owned()))
            .collect())
    }
}

/// Returns whether the browser used https: as the proxy says in these headers, or else as `connection` says.
#[pyfunction]
pub fn is_https(forwarded: Vec<Vec<u8>>, x_forwarded_proto: Option<&[u8]>, connection: bool) -> bool {
    http::is_https(forwarded.iter().map(Vec::as_slice), x_forwarded_proto, || connection)
}

/// Returns whether a request with this method changes nothing.
#[pyfunction]
pub fn is_safe(method: &str) -> bool {
    http::is_safe(method)
}
