//! The content of a session as text, for pages.

use shared_session::Session;

/// Returns a field as text: a string as it is, any other value as JSON, and a missing or null field as an empty string.
#[must_use]
pub fn field(session: &Session, name: &str) -> String {
    let entries = session.entries();
    let Some(json) = entries.get(name) else {
        return String::new();
    };
    match serde_json::from_str::<Option<String>>(json) {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => json.clone(),
    }
}

/// Returns the names of the session's fields, sorted.
#[must_use]
pub fn field_names(session: &Session) -> Vec<String> {
    let mut names: Vec<String> = session.entries().keys().cloned().collect();
    names.sort_unstable();
    names
}
