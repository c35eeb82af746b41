//! The audit log: who signed in, changed a password, or ended a session. It knows no account and no password.
//!
//! Each event is a log record of the target `audit` at level info, with the id and the client's address of the request.

use std::cell::RefCell;
use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use tracing::info;

tokio::task_local! {
    /// The request that the task handles.
    static REQUEST: Request;
}

struct Request {
    id: String,
    address: Option<IpAddr>,
    /// The events to log if the request succeeds.
    pending: RefCell<Vec<Event>>,
}

/// An event that is not logged yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct Event {
    what: &'static str,
    user: Option<String>,
    session: Option<String>,
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
        let request = REQUEST.try_with(|request| (request.id.clone(), request.address)).ok();
        self.write(request.as_ref().map(|(id, address)| (&**id, *address)));
    }

    /// Logs the event when the request has succeeded: until the session is stored, nobody is signed in or out.
    pub fn log_on_success(self) {
        let pending = REQUEST.try_with(|request| request.pending.borrow_mut().push(self.clone()));
        if pending.is_err() {
            self.log();
        }
    }

    fn write(self, request: Option<(&str, Option<IpAddr>)>) {
        let address = request
            .and_then(|(_, address)| address)
            .map(|address| address.to_string());
        info!(
            target: "audit",
            request_id = request.map(|(id, _)| id),
            client.address = address,
            user.id = self.user,
            session.handle = self.session,
            "{}", self.what
        );
    }
}

/// Handles a request whose events are logged with its id and its address. `succeeded` says whether the output is that of a
/// request that succeeded.
pub(crate) async fn scope<T>(
    id: String,
    address: Option<IpAddr>,
    handle: impl Future<Output = T>,
    succeeded: impl FnOnce(&T) -> bool,
) -> T {
    let request = Request {
        id,
        address,
        pending: RefCell::default(),
    };
    let finish = async {
        let output = handle.await;
        if succeeded(&output) {
            let pending = REQUEST.with(|request| request.pending.take());
            pending.into_iter().for_each(Event::log);
        }
        output
    };
    REQUEST.scope(request, finish).await
}

/// Returns the client's address: the one that the proxy names, or else that of the connection.
pub(crate) fn client_address(request: &ServiceRequest) -> Option<IpAddr> {
    let named = request
        .connection_info()
        .realip_remote_addr()
        .and_then(|address| address.parse().ok());
    named.or_else(|| request.peer_addr().map(|address| address.ip()))
}
