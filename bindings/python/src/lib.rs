//! The native half of the Python package `shared_session`: the engine in every process that uses it, and calls to it.
//!
//! **The engine's thread never touches Python.** It puts each reply where a thread of Python's fetches it: into a channel, or
//! into the [mailbox](call::Mailbox) of an event loop. So no fork and no exit of the interpreter can wait for it.
//!
//! **Nothing that the engine shares crosses a fork.** A child starts an engine of its own when it needs one, and neither locks nor
//! drops what it inherited: see [`process`].

mod call;
mod engine;
mod exchange;
mod exit;
mod failure;
mod hooks;
mod logs;
mod manager;
mod metrics;
mod process;

use pyo3::prelude::*;

#[pymodule]
mod _engine {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::call::{Call, Mailbox, Reply};
    #[pymodule_export]
    use crate::engine::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use crate::exchange::{Exchange, Outcome, is_https, is_safe};
    #[pymodule_export]
    use crate::exit::before_exit;
    #[pymodule_export]
    use crate::failure::Failure;
    #[pymodule_export]
    use crate::hooks::connect;
    #[pymodule_export]
    use crate::logs::take_logs;
    #[pymodule_export]
    use crate::manager::{Manager, drain};
    #[pymodule_export]
    use crate::metrics::metrics;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::logs::install();
        crate::metrics::install();
        Ok(())
    }
}
