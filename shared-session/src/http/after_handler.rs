//! What the middleware does after the handler: difference → commit → `Set-Cookie`.

use actix_session::SessionStatus;
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::error::InternalError;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};

use super::before_handler::{Begun, Facts};
use super::middleware::SessionMiddleware;
use super::{cookie, response, session_state};
use crate::error::Error;
use crate::session::change::Change;
use crate::settings::{CookieLifetime, Secure};
use crate::store::{CookieAction, Loaded, Wish};

/// What a request wants from the store after its handler.
struct Conclusion {
    wish: Wish,
    change: Change,
    /// Whether nothing was left to change. The response then relies on the record, so replicas must have it.
    finds_it_done: bool,
}

impl SessionMiddleware {
    /// Stores what the handler changed, and returns its response with the session's headers, or an error in its place.
    pub(super) async fn end(&self, begun: Begun, mut response: ServiceResponse) -> ServiceResponse {
        match self.finish(begun).await {
            Ok(cookie) => add_headers(response.headers_mut(), cookie.as_ref()),
            Err(error) => {
                let error = response::error_response(response.request(), error, "failed to store session");
                response = response.into_response(error);
                response::vary_by_cookie(response.headers_mut());
            }
        }
        response
    }

    /// Stores what the handler changed before a middleware around it failed. Returns the error to respond with.
    pub(super) async fn end_with_error(&self, begun: Begun, error: actix_web::Error) -> actix_web::Error {
        match self.finish(begun).await {
            Ok(None) => error,
            Ok(cookie) => {
                let mut response = error.error_response();
                add_headers(response.headers_mut(), cookie.as_ref());
                InternalError::from_response(error, response).into()
            }
            Err(error) => error.into(),
        }
    }

    /// Stores what the handler changed, and returns the cookie to set.
    async fn finish(&self, begun: Begun) -> Result<Option<Cookie<'static>>, Error> {
        let Some(conclusion) = self.conclude(&begun) else {
            return Ok(None);
        };
        // most requests change nothing, and should not have room for this
        Box::pin(self.store(begun, conclusion)).await
    }

    /// Returns what is to be done with the session after the handler, or `None` if nothing is.
    fn conclude(&self, begun: &Begun) -> Option<Conclusion> {
        let Begun {
            session,
            opened,
            filled,
            facts,
            ..
        } = begun;
        let wish = match session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        if wish != Wish::Destroy && session_state::is_emptied(session, &opened.loaded) {
            self.misuse.report_emptied();
            return None;
        }
        let mut change = filled.change(&opened.loaded, session);
        // a user who signs in again: the field has the same value, and the difference does not show it
        let principal_field = self.store.principal_field();
        if wish == Wish::Renew
            && let Some(value) = filled.principal_if_set_again(session, principal_field)
        {
            change = change.with_field(principal_field, &value);
        }
        let finds_it_done = match (wish, &opened.loaded) {
            (Wish::Destroy, Loaded::Missing) => opened.others.is_empty(),
            (Wish::Keep, Loaded::Session(_)) => !facts.is_safe && change.is_empty(),
            _ => false,
        };
        if wish == Wish::Keep && change.is_empty() && !finds_it_done {
            return None;
        }
        if self.store.sets_invalid_user(&change) {
            self.misuse.report_invalid_user(principal_field);
        }
        if let Some(user_agent) = &facts.user_agent {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        Some(Conclusion {
            wish,
            change,
            finds_it_done,
        })
    }

    /// Stores what the handler changed, and returns the cookie to set.
    async fn store(&self, begun: Begun, conclusion: Conclusion) -> Result<Option<Cookie<'static>>, Error> {
        let Begun {
            opened,
            has_cookie,
            time_left,
            facts,
            ..
        } = begun;
        // the handler's own time does not count
        let store = self.store.request_with(time_left);
        if conclusion.finds_it_done {
            store.confirm(&opened).await?;
        }
        let id = opened.id.clone();
        let action = store.finish(opened, conclusion.wish, conclusion.change).await?;
        let secure = self.is_secure(facts);
        Ok(match (action, id) {
            (CookieAction::Issue(id, lifetime), _) => {
                Some(cookie::issue(&self.cookie, secure, &id.delivered(), lifetime))
            }
            (CookieAction::Extend(lifetime), Some(id)) if self.cookie.lifetime == CookieLifetime::Session => {
                Some(cookie::issue(&self.cookie, secure, &id, lifetime))
            }
            (CookieAction::Remove, _) if has_cookie => Some(cookie::removal(&self.cookie, secure)),
            _ => None,
        })
    }

    fn is_secure(&self, facts: Facts) -> bool {
        match self.cookie.secure {
            Secure::Always => {
                if !facts.is_https {
                    self.misuse.report_insecure();
                }
                true
            }
            Secure::Never => false,
            Secure::Auto => facts.is_https,
        }
    }
}

/// Adds what a response with a session has: the cookie, and what caches must know.
fn add_headers(headers: &mut HeaderMap, cookie: Option<&Cookie<'_>>) {
    response::vary_by_cookie(headers);
    // its parts are ASCII
    let value = cookie.and_then(|cookie| HeaderValue::from_str(&cookie.to_string()).ok());
    let Some(value) = value else { return };
    headers.append(SET_COOKIE, value);
    // a cache must not give this cookie to another user
    let is_private = |value: &HeaderValue| {
        let mut directives = value.to_str().unwrap_or_default().split(',').map(str::trim);
        directives.any(|directive| {
            ["no-store", "private"]
                .iter()
                .any(|name| directive.eq_ignore_ascii_case(name))
        })
    };
    if !headers.get_all(CACHE_CONTROL).any(is_private) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
