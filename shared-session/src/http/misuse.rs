//! Logs once that an application uses its door in a way that loses sessions.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Instant;

/// The number of managers that serve on the thread that built them, and have their own sessions in memory.
static MANAGERS_OF_WORKERS: AtomicUsize = AtomicUsize::new(0);

/// The misuse of a manager by its application. Each kind is logged once.
#[derive(Debug)]
pub struct Misuse {
    began: Instant,
    /// The minute of the last warning about several cookies, counted from `began`.
    warned: AtomicU64,
    /// The thread that built the manager, if the manager has its own sessions in memory.
    built_on: Option<ThreadId>,
    is_counted: AtomicBool,
    is_nested: AtomicBool,
    is_insecure: AtomicBool,
    has_invalid_user: AtomicBool,
    has_kept_id: AtomicBool,
    has_not_remembered: AtomicBool,
}

impl Misuse {
    /// Starts with no misuse found. `is_memory` says whether the manager has its own sessions in memory.
    pub(crate) fn new(is_memory: bool) -> Self {
        Self {
            began: Instant::now(),
            warned: AtomicU64::default(),
            built_on: is_memory.then(|| thread::current().id()),
            is_counted: AtomicBool::default(),
            is_nested: AtomicBool::default(),
            is_insecure: AtomicBool::default(),
            has_invalid_user: AtomicBool::default(),
            has_kept_id: AtomicBool::default(),
            has_not_remembered: AtomicBool::default(),
        }
    }

    /// Warns at most once a minute that requests came with several sessions.
    pub(super) fn warn_about_several_cookies(&self, cookie: &str) {
        let minute = self.began.elapsed().as_secs() / 60 + 1;
        if self.warned.swap(minute, Ordering::Relaxed) != minute {
            tracing::warn!(cookie, "request has several live sessions: none was loaded");
        }
    }

    /// Logs that two doors wrap one request.
    pub fn report_nested(&self) {
        if !self.is_nested.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "two session middlewares wrap one request, and the inner one does nothing: wrap the application or its \
                 scopes, not both"
            );
        }
    }

    /// Logs that several workers have their own sessions in memory, because each built a manager on its thread.
    /// Requests without a server, as in tests, do not count.
    pub fn check_worker(&self, has_server: impl FnOnce() -> bool) {
        if self.built_on.is_none() || self.is_counted.load(Ordering::Relaxed) || !has_server() {
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

    /// Logs that browsers drop the cookie, because it is secure and was set over http.
    pub(super) fn report_insecure(&self) {
        if !self.is_insecure.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a secure session cookie was set over http, and browsers drop it: SESSION_COOKIE_SECURE=always and \
                 SESSION_COOKIE_SAME_SITE=none need https, and a proxy that sets X-Forwarded-Proto"
            );
        }
    }

    /// Logs that a user signed in to an existing session without a renewal.
    pub(super) fn report_sign_in_without_renewal(&self) {
        if !self.has_kept_id.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a user signed in to a session that was not renewed, so whoever knew its id before is signed in, too: sign \
                 users in with sign_in, or renew the session in the same request"
            );
        }
    }

    /// Logs that a user does not stay signed in, because no session of the format is remembered.
    pub(super) fn report_not_remembered(&self) {
        if !self.has_not_remembered.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a user asked to stay signed in, which has no effect with SESSION_FORMAT=php or php_serialize"
            );
        }
    }

    /// Logs that the principal field has a value that names no user.
    pub(super) fn report_invalid_user(&self, field: &str) {
        if !self.has_invalid_user.swap(true, Ordering::Relaxed) {
            tracing::error!(
                field,
                "the principal field was set to a value that is neither text nor an integer of at most 53 bits: the registry does \
                 not list the session"
            );
        }
    }
}
