//! What a page shows of a session.

use shared_session::Session;

/// A field of the session as text, whatever wrote it: text as it is, nothing as nothing, all else as JSON.
#[must_use]
pub fn text(session: &Session, name: &str) -> String {
    let entries = session.entries();
    let Some(json) = entries.get(name) else {
        return String::new();
    };
    match serde_json::from_str::<Option<String>>(json) {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => json.clone(),
    }
}

/// The names of the session's fields, sorted.
#[must_use]
pub fn names(session: &Session) -> Vec<String> {
    let mut names: Vec<String> = session.entries().keys().cloned().collect();
    names.sort_unstable();
    names
}
