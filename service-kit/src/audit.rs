//! The audit log: who signed in, changed a password, or ended a session.
//!
//! Each event is a log record of the target `audit` at level info, with the id and the client's address of the request. It is counted
//! in the metrics, too.

use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use metrics::{counter, describe_counter};
use parking_lot::Mutex;
use tracing::info;

tokio::task_local! {
    /// The request that the task handles.
    static REQUEST: Arc<Request>;
}

struct Request {
    id: String,
    address: Option<IpAddr>,
    /// The events to log if the request succeeds.
    pending: Mutex<Vec<Event>>,
}

impl Request {
    fn take_pending(&self) -> Vec<Event> {
        take(&mut *self.pending.lock())
    }
}

/// Logs the events of a request whose client hung up while its session was stored. The session may have been stored.
impl Drop for Request {
    fn drop(&mut self) {
        for event in self.take_pending() {
            event.write(Some(self), Some("unknown"));
        }
    }
}

/// An event that is not logged yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct Event {
    what: &'static str,
    user: Option<String>,
    session: Option<String>,
}

const COUNTER: &str = "audit.events";

/// Begins to count these events at 0, because nobody could tell the first increment of a counter that appears with it.
pub fn count_from_zero(events: &[&'static str]) {
    describe_counter!(COUNTER, "Events of the audit log");
    for event in events {
        counter!(COUNTER, "event" => *event).increment(0);
    }
}

/// Returns an event. `what` says what happened, such as `signed in`.
pub fn event(what: &'static str) -> Event {
    Event {
        what,
        user: None,
        session: None,
    }
}

impl Event {
    /// Names the user by the id of an account that exists. Other input must not be logged: it may be a password that was
    /// typed into the wrong field.
    pub fn user<'a>(mut self, id: impl Into<Option<&'a str>>) -> Self {
        self.user = id.into().map(str::to_owned);
        self
    }

    /// Names the session that the event is about by its handle.
    pub fn session(mut self, handle: impl ToString) -> Self {
        self.session = Some(handle.to_string());
        self
    }

    /// Logs the event now, because nothing that follows can undo it.
    pub fn log(self) {
        self.write(current_request().as_deref(), None);
    }

    /// Logs the event when the request has succeeded, because nobody is signed in or out before the session is stored. If the
    /// client hangs up meanwhile, the record says `outcome="unknown"`.
    pub fn log_on_success(self) {
        match current_request() {
            Some(request) => {
                request.pending.lock().push(self);
            }
            None => self.log(),
        }
    }

    fn write(self, request: Option<&Request>, outcome: Option<&str>) {
        let address = request
            .and_then(|request| request.address)
            .map(|address| address.to_string());
        counter!(COUNTER, "event" => self.what).increment(1);
        info!(
            target: "audit",
            request_id = request.map(|request| &*request.id),
            client.address = address,
            user.id = self.user,
            session.handle = self.session,
            outcome,
            "{}", self.what
        );
    }
}

fn current_request() -> Option<Arc<Request>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// Handles a request whose events are logged with its id and its address. `succeeded` says whether the output is that of a
/// request that succeeded.
pub(crate) async fn scope<T>(
    id: String,
    address: Option<IpAddr>,
    handle: impl Future<Output = T>,
    succeeded: impl FnOnce(&T) -> bool,
) -> T {
    let request = Arc::new(Request {
        id,
        address,
        pending: Mutex::default(),
    });
    let output = REQUEST.scope(request.clone(), handle).await;
    let pending = request.take_pending();
    if succeeded(&output) {
        for event in pending {
            event.write(Some(&request), None);
        }
    }
    output
}

/// Runs a job whose events are logged as those of the request that started it.
pub(crate) fn in_job<T>(job: impl Future<Output = T>) -> impl Future<Output = T> {
    let request = current_request();
    async move {
        match request {
            Some(request) => REQUEST.scope(request, job).await,
            None => job.await,
        }
    }
}

/// Returns the client's address: the one that the proxy names, or else that of the connection.
pub(crate) fn client_address(request: &ServiceRequest) -> Option<IpAddr> {
    let named = request
        .connection_info()
        .realip_remote_addr()
        .and_then(|address| address.parse().ok());
    named.or_else(|| request.peer_addr().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::timeout;
    use tracing::subscriber::DefaultGuard;

    use super::{event, in_job, scope};

    #[derive(Clone, Default)]
    struct Logs(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Logs {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Logs {
        /// Captures the logs of this thread.
        fn capture(&self) -> DefaultGuard {
            let logs = self.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time();
            tracing::subscriber::set_default(subscriber.with_writer(move || logs.clone()).finish())
        }

        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    #[tokio::test]
    async fn event_of_a_request_is_logged_once_with_what_is_known_of_its_outcome() {
        let logs = Logs::default();
        let _guard = logs.capture();
        for succeeds in [true, false] {
            let handle = async {
                event("signed out").user("anna").log_on_success();
            };
            scope("id".to_owned(), None, handle, |()| succeeds).await;
        }
        let dropped = scope(
            "id".to_owned(),
            None,
            async {
                event("signed out").user("berta").log_on_success();
                pending::<()>().await;
            },
            |()| true,
        );
        assert!(timeout(Duration::ZERO, dropped).await.is_err());
        assert_eq!(
            logs.lines(),
            [
                "INFO audit: signed out request_id=\"id\" user.id=\"anna\"",
                "INFO audit: signed out request_id=\"id\" user.id=\"berta\" outcome=\"unknown\"",
            ]
        );
    }

    #[tokio::test]
    async fn event_of_a_job_has_the_id_of_the_request_that_started_it() {
        let logs = Logs::default();
        let _guard = logs.capture();
        let mut job = None;
        let handle = async {
            job = Some(in_job(async {
                event("changed").log();
            }));
        };
        scope("id".to_owned(), None, handle, |()| true).await;
        job.unwrap().await;
        let alone = in_job(async {
            event("alone").log();
        });
        alone.await;
        assert_eq!(
            logs.lines(),
            ["INFO audit: changed request_id=\"id\"", "INFO audit: alone"]
        );
    }
}
