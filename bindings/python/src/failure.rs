//! [`Failure`]: the native half of the exceptions in `shared_session._errors`.

use pyo3::prelude::*;
use shared_session::http;

use crate::engine::Engine;
use crate::exit::Inside;
use crate::hooks::Hooks;

/// A request that could not load or store its session.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Failure(http::Failure);

/// A response: its status, headers and body.
type Response = (u16, Vec<(&'static str, String)>, String);

#[pymethods]
impl Failure {
    /// The text for logs.
    #[getter]
    fn text(&self) -> String {
        self.0.error().to_string()
    }

    #[getter]
    fn status(&self) -> u16 {
        self.0.error().status()
    }

    #[getter]
    fn code(&self) -> &'static str {
        self.0.error().code()
    }

    #[getter]
    fn message(&self) -> &'static str {
        self.0.error().user_message()
    }

    #[getter]
    fn retry_after(&self) -> Option<&'static str> {
        self.0.error().retry_after()
    }

    /// Logs and counts the failure, and returns the status, the headers and the body of the response.
    #[pyo3(signature = (accept=None))]
    fn response(&self, py: Python<'_>, accept: Option<&[u8]>) -> PyResult<Response> {
        let _inside = Inside::enter(py);
        Engine::get(py)?;
        let response = self.0.response(accept);
        crate::logs::deliver(py);
        let headers = response
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.into_owned()));
        Ok((response.status, headers.collect(), response.body))
    }
}

/// Returns the exception of a failure.
pub fn raise(py: Python<'_>, failure: http::Failure) -> PyErr {
    Hooks::exception(py, "failure", Failure(failure))
}
