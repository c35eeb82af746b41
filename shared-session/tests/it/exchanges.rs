//! Requests without a door: they begin at `SessionManager::begin`, and end with an `Outcome`.

use shared_session::SessionManager;
use shared_session::http::{Change, Exchange, Facts, Failure, Outcome};

/// What a door says about a request.
pub fn facts(is_safe: bool) -> Facts {
    Facts {
        is_safe,
        is_https: false,
        extends_idle_timeout: true,
    }
}

/// Begins a request with a `Cookie` header.
pub async fn begin(sessions: &SessionManager, cookie: &str, is_safe: bool) -> Result<Exchange, Failure> {
    sessions.begin([cookie.as_bytes()].into_iter(), facts(is_safe)).await
}

/// Returns the change that sets these fields to JSON text.
pub fn setting(fields: &[(&str, &str)]) -> Change {
    let set = |change: Change, (name, text): &(&str, &str)| change.with_field(name, text);
    fields.iter().fold(Change::default(), set)
}

/// Sends the response, and returns the cookie that it sets, if it does.
pub fn cookie_of(outcome: Outcome) -> Option<String> {
    let headers = outcome.headers(|_| std::iter::empty()).into_iter().flatten();
    let (_, cookie) = headers.into_iter().find(|(name, _)| *name == "set-cookie")?;
    cookie.split(';').next().map(str::to_owned)
}
