//! The audit log: who signed in, changed a password, or ended a session, and what was refused.
//!
//! Each event is a log record of the target `audit` at level info, with the id and the client's address of the request, or with
//! the name of the operator. It is counted in the metrics, too.

use std::borrow::Cow;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use metrics::{counter, describe_counter};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::info;

tokio::task_local! {
    /// What the task works for.
    static CAUSE: Arc<Cause>;
}

/// What causes events.
#[derive(Debug)]
enum Cause {
    Request { id: String, address: Option<IpAddr> },
    Operator { name: String, events: Mutex<Vec<Event>> },
}

/// An event. Its stored form is JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[must_use]
pub struct Event {
    what: Cow<'static, str>,
    user: Option<String>,
    session: Option<String>,
    operator: Option<String>,
}

const COUNTER: &str = "audit.events";

/// The events of all services. Nobody could tell the first increment of a counter that appears with it.
const COUNTED_FROM_ZERO: [&str; 17] = [
    "account registered",
    "account deleted",
    "account unlocked",
    "signed in",
    "authentication failed",
    "authentication delayed",
    "authentication blocked",
    "signed out",
    "password changed",
    "password reset begun",
    "password reset",
    "session revoked",
    "other sessions revoked",
    "all sessions revoked",
    "request of another site refused",
    "revocation of an unknown session refused",
    "change of an unknown task refused",
];

/// Begins to count the events.
pub(crate) fn begin_to_count() {
    describe_counter!(COUNTER, "Events of the audit log");
    for event in COUNTED_FROM_ZERO {
        counter!(COUNTER, "event" => event).increment(0);
    }
}

/// Returns an event that is not logged yet. `what` says what happened, such as `signed in`.
pub fn event(what: &'static str) -> Event {
    Event {
        what: Cow::Borrowed(what),
        user: None,
        session: None,
        operator: None,
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

    /// Logs the event.
    pub fn log(mut self) {
        let Context(cause) = context();
        let (mut request_id, mut address) = (None, None);
        match cause.as_deref() {
            Some(Cause::Request { id, address: from }) => {
                request_id = Some(&**id);
                address = from.map(|from| from.to_string());
            }
            Some(Cause::Operator { name, events }) => {
                self.operator = Some(name.clone());
                events.lock().push(self.clone());
            }
            None => {}
        }
        counter!(COUNTER, "event" => self.what.clone()).increment(1);
        info!(
            target: "audit",
            request_id,
            client.address = address,
            operator = self.operator,
            user.id = self.user,
            session.handle = self.session,
            "{}", self.what
        );
    }
}

/// Handles a request whose events are logged with its id and its address.
pub(crate) async fn in_request<T>(id: String, address: Option<IpAddr>, handle: impl Future<Output = T>) -> T {
    CAUSE.scope(Arc::new(Cause::Request { id, address }), handle).await
}

/// Does the work of an operator, whose events are logged with the operator's name. Returns them too.
pub async fn by_operator<T>(name: String, work: impl Future<Output = T>) -> (T, Vec<Event>) {
    let cause = Arc::new(Cause::Operator {
        name,
        events: Mutex::default(),
    });
    let output = CAUSE.scope(cause.clone(), work).await;
    let events = match &*cause {
        Cause::Operator { events, .. } => take(&mut *events.lock()),
        Cause::Request { .. } => Vec::new(),
    };
    (output, events)
}

/// What the current task works for, to give to another task.
#[derive(Clone, Debug)]
pub struct Context(Option<Arc<Cause>>);

/// Returns what the current task works for.
#[must_use]
pub fn context() -> Context {
    Context(CAUSE.try_with(Arc::clone).ok())
}

impl Context {
    /// Does work whose events are logged as those of the task that the context is from.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        match self.0 {
            Some(cause) => CAUSE.scope(cause, work).await,
            None => work.await,
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

    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::DefaultGuard;

    use super::{Event, by_operator, context, event, in_request};

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
    async fn event_of_an_operator_names_them_also_after_it_was_stored() {
        let logs = Logs::default();
        let _guard = logs.capture();
        let work = async { context().run(async { event("deleted").user("anna").log() }).await };
        let ((), events) = by_operator("olga".to_owned(), work).await;
        let stored = serde_json::to_string(&events).unwrap();
        for event in serde_json::from_str::<Vec<Event>>(&stored).unwrap() {
            event.log();
        }
        let by_olga = "INFO audit: deleted operator=\"olga\" user.id=\"anna\"";
        assert_eq!(logs.lines(), [by_olga; 2]);
    }

    #[tokio::test]
    async fn event_of_a_job_has_the_id_of_the_request_that_started_it() {
        let logs = Logs::default();
        let _guard = logs.capture();
        let mut job = None;
        let handle = async {
            job = Some(context().run(async { event("changed").log() }));
        };
        in_request("id".to_owned(), None, handle).await;
        job.unwrap().await;
        context().run(async { event("alone").log() }).await;
        assert_eq!(
            logs.lines(),
            ["INFO audit: changed request_id=\"id\"", "INFO audit: alone"]
        );
    }
}
