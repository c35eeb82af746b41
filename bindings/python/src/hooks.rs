//! What the package gives its native half when it is imported. Nothing is imported later: a thread that does not live on in a
//! child may have begun an import.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The functions and classes that are written in Python.
pub struct Hooks {
    /// Waits for a call in an event loop.
    pub wait: Py<PyAny>,
    /// Gives what was logged to `logging`.
    pub deliver: Py<PyAny>,
    /// The module with the exceptions.
    pub errors: Py<PyAny>,
}

static HOOKS: PyOnceLock<Hooks> = PyOnceLock::new();

/// Connects the package with its native half.
#[pyfunction]
pub fn connect(py: Python<'_>, wait: Py<PyAny>, deliver: Py<PyAny>, errors: Py<PyAny>) {
    let hooks = Hooks { wait, deliver, errors };
    let _ = HOOKS.set(py, hooks);
}

impl Hooks {
    pub fn get(py: Python<'_>) -> PyResult<&'static Self> {
        let missing = || PyRuntimeError::new_err("import shared_session, which this module is a part of");
        HOOKS.get(py).ok_or_else(missing)
    }

    /// Returns the exception that a class or function of the package makes of the argument.
    pub fn exception(py: Python<'_>, name: &str, argument: impl for<'py> IntoPyObject<'py>) -> PyErr {
        let exception = || Self::get(py)?.errors.bind(py).getattr(name)?.call1((argument,));
        exception().map_or_else(|error| error, PyErr::from_value)
    }
}
