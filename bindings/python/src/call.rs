//! [`Call`]: an operation of the engine, whose reply a thread or an event loop waits for.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::engine::{Engine, lock};
use crate::exit::Inside;
use crate::failure;
use crate::hooks::Hooks;
use crate::process::{Own, Process};

/// How long a thread waits until it looks for signals.
const SLICE: Duration = Duration::from_millis(50);

/// What the engine replied. A thread of Python's makes the result of it.
type Make = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Make> + Send>>;
type Start = Box<dyn FnOnce(Python<'_>, &'static Engine) -> PyResult<Work> + Send>;

/// An operation that has not begun. `wait` and `await` begin it. It then runs to its end, even if nobody waits any more, unless it
/// is [stoppable](Call::stoppable).
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Call {
    start: Mutex<Option<Start>>,
    /// What `stop` ends, if it can.
    begun: OnceLock<Own<AbortHandle>>,
    can_stop: bool,
}

impl Call {
    /// Creates the call of an operation. `start` returns its future, and `make` the result for Python.
    pub fn new<S, F, T, M>(start: S, make: M) -> Self
    where
        S: FnOnce(Python<'_>, &'static Engine) -> PyResult<F> + Send + 'static,
        F: Future<Output = Result<T, shared_session::http::Failure>> + Send + 'static,
        T: Send + 'static,
        M: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    {
        let start: Start = Box::new(|py, engine| {
            let future = start(py, engine)?;
            Ok(Box::pin(async move {
                let result = future.await;
                Box::new(|py: Python<'_>| match result {
                    Ok(value) => make(py, value),
                    Err(failure) => Err(failure::raise(py, failure)),
                }) as Make
            }))
        });
        Self {
            start: Mutex::new(Some(start)),
            begun: OnceLock::new(),
            can_stop: false,
        }
    }

    /// Lets the operation end when nobody waits any more.
    pub fn stoppable(self) -> Self {
        Self { can_stop: true, ..self }
    }

    fn start(&self, py: Python<'_>, to: To) -> PyResult<()> {
        let start = lock(&self.start).take();
        let start = start.ok_or_else(|| PyRuntimeError::new_err("the call has begun already"))?;
        let engine = Engine::get(py)?;
        let work = start(py, engine)?;
        let sender = Sender(Some(to));
        let task = engine.runtime.spawn(async move { sender.send(work.await) });
        if self.can_stop {
            let _ = self.begun.set(Own::new(task.abort_handle()));
        }
        Ok(())
    }
}

#[pymethods]
impl Call {
    /// Waits for the result. Other threads run, and signals are handled.
    pub fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let inside = Inside::enter(py);
        let process = Process::current();
        let (sender, receiver) = sync_channel(1);
        self.start(py, To::Thread(sender))?;
        let mut receiver = Own::new(receiver);
        loop {
            let received = py.detach(|| {
                let received = receiver.get_mut().map(|receiver| receiver.recv_timeout(SLICE));
                inside.stay_if_over();
                received
            });
            match received {
                Some(Ok(make)) => {
                    crate::logs::deliver(py);
                    return make(py);
                }
                Some(Err(RecvTimeoutError::Timeout)) => py.check_signals()?,
                Some(Err(RecvTimeoutError::Disconnected)) => return Err(stopped()),
                None => {}
            }
            if process != Process::current() {
                return Err(PyRuntimeError::new_err(
                    "a signal handler forked the process, and this child waits for nobody",
                ));
            }
        }
    }

    /// Begins the operation, and returns the number that its reply has in the mailbox.
    fn post(&self, py: Python<'_>, mailbox: &Mailbox) -> PyResult<u64> {
        let inner = mailbox.0.get().ok_or_else(inherited)?.clone();
        let number = inner.last.fetch_add(1, Ordering::Relaxed);
        self.start(py, To::Loop(inner, number))?;
        Ok(number)
    }

    /// Notes that nobody waits any more.
    fn stop(&self) {
        if let Some(task) = self.begun.get().and_then(Own::get) {
            task.abort();
        }
    }

    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let _inside = Inside::enter(slf.py());
        let wait = Hooks::get(slf.py())?.wait.bind(slf.py()).clone();
        wait.call1((slf,))?.call_method0("__await__")
    }
}

fn stopped() -> PyErr {
    PyRuntimeError::new_err("the engine gave the call up")
}

pub fn inherited() -> PyErr {
    PyRuntimeError::new_err("it belongs to the process that forked this one")
}

/// Who waits for a reply.
enum To {
    Thread(SyncSender<Make>),
    Loop(Arc<Inner>, u64),
}

/// Sends one reply, also if the work panics.
struct Sender(Option<To>);

impl Sender {
    fn send(mut self, make: Make) {
        self.send_once(make);
    }

    fn send_once(&mut self, make: Make) {
        match self.0.take() {
            Some(To::Thread(sender)) => drop(sender.send(make)),
            Some(To::Loop(inner, number)) => inner.put(number, make),
            None => {}
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.send_once(Box::new(|_| Err(stopped())));
    }
}

/// Where an event loop fetches replies. Its descriptor is readable while there are any.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Mailbox(Own<Arc<Inner>>);

struct Inner {
    replies: Mutex<Vec<(u64, Make)>>,
    last: AtomicU64,
    reader: UnixStream,
    writer: UnixStream,
}

impl Inner {
    fn put(&self, number: u64, make: Make) {
        let mut replies = lock(&self.replies);
        replies.push((number, make));
        // one byte for a batch; without room for it, there are enough of them
        if replies.len() == 1 {
            let _ = (&self.writer).write(&[1]);
        }
    }
}

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> PyResult<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self(Own::new(Arc::new(Inner {
            replies: Mutex::default(),
            last: AtomicU64::new(1),
            reader,
            writer,
        }))))
    }

    /// Whether the mailbox belongs to this process, and not to one that forked it.
    #[getter]
    fn is_own(&self) -> bool {
        self.0.is_own()
    }

    fn fileno(&self) -> PyResult<i32> {
        Ok(self.0.get().ok_or_else(inherited)?.reader.as_raw_fd())
    }

    /// Takes the replies that have come, with their numbers.
    fn take(&self, py: Python<'_>) -> PyResult<Vec<(u64, Reply)>> {
        let _inside = Inside::enter(py);
        let inner = self.0.get().ok_or_else(inherited)?;
        let read = (&inner.reader).read(&mut [0; 8]);
        if let Err(error) = read
            && error.kind() != io::ErrorKind::WouldBlock
        {
            return Err(error.into());
        }
        let replies = std::mem::take(&mut *lock(&inner.replies));
        crate::logs::deliver(py);
        let reply = |(number, make)| (number, Reply(Mutex::new(Some(Own::new(make)))));
        Ok(replies.into_iter().map(reply).collect())
    }
}

/// A reply that the loop has fetched and its task has not. Dropping it undoes a renewal, as the task was cancelled.
#[pyclass(frozen, module = "shared_session._engine")]
pub struct Reply(Mutex<Option<Own<Make>>>);

#[pymethods]
impl Reply {
    /// Returns the result, or raises the failure.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let _inside = Inside::enter(py);
        let make = lock(&self.0).take().and_then(Own::into_inner);
        make.ok_or_else(inherited)?(py)
    }
}
