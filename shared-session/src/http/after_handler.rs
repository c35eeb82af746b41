//! What the middleware does after the handler: difference → commit → `Set-Cookie`.

use std::time::Duration;

use actix_session::SessionStatus;
use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE, USER_AGENT};

use super::before_handler::{Begun, MAX_IDS, Received};
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
    /// Whether it found its change done: what it found must then survive a fail-over.
    finds_it_done: bool,
}

impl SessionMiddleware {
    /// Stores what the handler changed, and returns its response with the session's headers, or an error in its place.
    pub(super) async fn end(&self, begun: Begun, mut response: ServiceResponse) -> ServiceResponse {
        let is_loaded = matches!(begun.loaded, Loaded::Session(_));
        if let Some(conclusion) = self.conclude(response.request(), &begun) {
            // most requests change nothing, and should not have room for this
            let finished = Box::pin(self.finish(response.request(), begun.loaded, conclusion, begun.time_left));
            match finished.await {
                Ok(action) => self.write_cookie(&mut response, &begun.cookie, &action),
                Err(error) => {
                    let error = response::error_response(response.request(), error, "failed to store session");
                    response = response.into_response(error);
                }
            }
        }
        if is_loaded {
            response::vary_by_cookie(response.headers_mut());
        }
        response
    }

    /// Returns what is to be done with the session after the handler, or `None` if nothing is.
    fn conclude(&self, request: &HttpRequest, begun: &Begun) -> Option<Conclusion> {
        let Begun {
            session,
            loaded,
            filled,
            ..
        } = begun;
        let wish = match session.status() {
            SessionStatus::Purged => Wish::Destroy,
            SessionStatus::Renewed => Wish::Renew,
            SessionStatus::Changed | SessionStatus::Unchanged => Wish::Keep,
        };
        if wish != Wish::Destroy && session_state::is_emptied(session, loaded) {
            self.misuse.report_emptied();
            return None;
        }
        let mut change = filled.change(loaded, session);
        // a user who signs in again: the field has the same value, and the difference does not show it
        let principal_field = self.store.principal_field();
        if wish == Wish::Renew
            && let Some(value) = filled.principal_if_set_again(session, principal_field)
        {
            change = change.with_field(principal_field, &value);
        }
        let finds_it_done = match (wish, loaded) {
            (Wish::Destroy, Loaded::Missing) => true,
            (Wish::Keep, Loaded::Session(_)) => !request.method().is_safe() && change.is_empty(),
            _ => false,
        };
        if wish == Wish::Keep && change.is_empty() && !finds_it_done {
            return None;
        }
        if let Some(user_agent) = request.headers().get(USER_AGENT) {
            change = change.with_device(&String::from_utf8_lossy(user_agent.as_bytes()));
        }
        Some(Conclusion {
            wish,
            change,
            finds_it_done,
        })
    }

    /// Stores what the handler changed, and returns what to do with the cookie.
    async fn finish(
        &self,
        request: &HttpRequest,
        loaded: Loaded,
        conclusion: Conclusion,
        time_left: Duration,
    ) -> Result<CookieAction, Error> {
        // the handler's own time does not count
        let store = self.store.request_with(time_left);
        if conclusion.finds_it_done {
            let received = cookie::values(request.headers(), &self.cookie.name);
            for id in received.take(MAX_IDS).filter_map(|id| self.store.parse_id(id)) {
                store.confirm(&id).await?;
            }
        }
        store.finish(loaded, conclusion.wish, conclusion.change).await
    }

    fn write_cookie(&self, response: &mut ServiceResponse, received: &Received, action: &CookieAction) {
        let secure = || match self.cookie.secure {
            Secure::Always => true,
            Secure::Never => false,
            Secure::Auto => response.request().connection_info().scheme() == "https",
        };
        let cookie = match (action, &received.id) {
            (CookieAction::Issue(id, lifetime), _) => cookie::issue(&self.cookie, secure(), id, *lifetime),
            (CookieAction::Extend(lifetime), Some(id)) if self.cookie.lifetime == CookieLifetime::Session => {
                cookie::issue(&self.cookie, secure(), id, *lifetime)
            }
            (CookieAction::Remove, _) if received.is_present => cookie::removal(&self.cookie, secure()),
            _ => return,
        };
        append(response, &cookie);
    }
}

fn append(response: &mut ServiceResponse, cookie: &Cookie<'_>) {
    let Ok(value) = HeaderValue::from_str(&cookie.to_string()) else {
        return; // its parts are ASCII
    };
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, value);
    // a cache must not give this cookie to another user
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
