//! Finds applications that use the middleware in a way that loses sessions, and logs it once. It knows no store.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;

use crate::store::current_session::CurrentSession;

/// The managers that serve on the thread that built them, each with sessions in a memory of its own.
static MANAGERS_OF_WORKERS: AtomicUsize = AtomicUsize::new(0);

/// What was found about a manager.
#[derive(Debug, Default)]
pub(crate) struct Misuse {
    /// The thread that built the manager, if the sessions are in a memory that no other manager has.
    built_on: Option<ThreadId>,
    is_counted: AtomicBool,
    is_nested: AtomicBool,
    is_emptied: AtomicBool,
    is_insecure: AtomicBool,
    has_invalid_user: AtomicBool,
}

impl Misuse {
    /// Returns that nothing was found yet. `is_memory` says whether the manager has sessions in a memory of its own.
    pub fn new(is_memory: bool) -> Self {
        Self {
            built_on: is_memory.then(|| thread::current().id()),
            ..Self::default()
        }
    }

    /// Returns whether another session middleware wraps this request already. It has inserted the current
    /// session into the extensions.
    pub fn is_nested(&self, request: &ServiceRequest) -> bool {
        if !request.extensions().contains::<CurrentSession>() {
            return false;
        }
        if !self.is_nested.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "two session middlewares wrap one request, and the inner one does nothing: wrap the application or its \
                 scopes, not both"
            );
        }
        true
    }

    /// Warns if several workers have their own sessions in memory, because the closure of `HttpServer` built a manager for
    /// each. In a test without a server, a request has no peer.
    pub fn check_worker(&self, request: &ServiceRequest) {
        if self.built_on.is_none() || self.is_counted.load(Ordering::Relaxed) || request.peer_addr().is_none() {
            return;
        }
        let is_own_thread = self.built_on == Some(thread::current().id());
        if self.is_counted.swap(true, Ordering::Relaxed) || !is_own_thread {
            return;
        }
        if MANAGERS_OF_WORKERS.fetch_add(1, Ordering::Relaxed) == 1 {
            tracing::warn!(
                "each worker has its own sessions in memory: build the SessionManager once, before HttpServer::new, and \
                 clone it into the closure"
            );
        }
    }

    /// Logs that another middleware took the fields out of the session.
    pub fn report_emptied(&self) {
        if !self.is_emptied.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "another session middleware took the session's fields, so no change is stored: remove \
                 actix_session::SessionMiddleware from the application"
            );
        }
    }

    /// Logs that browsers drop the cookie.
    pub fn report_insecure(&self) {
        if !self.is_insecure.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a secure session cookie was set over http, and browsers drop it: SESSION_COOKIE_SECURE=always and \
                 SESSION_COOKIE_SAME_SITE=none need https, and a proxy that sets X-Forwarded-Proto"
            );
        }
    }

    /// Logs that a session names a user in a way that the registry does not know.
    pub fn report_invalid_user(&self, field: &str) {
        if !self.has_invalid_user.swap(true, Ordering::Relaxed) {
            tracing::error!(
                field,
                "the principal field was set to a value that is neither text nor an integer of at most 53 bits: the registry does \
                 not list the session"
            );
        }
    }
}
