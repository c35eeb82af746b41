//! Session ids, and the cookie `id` that carries one.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::fault::Fault;

const ID_LENGTH: usize = 43;

/// Returns every session id that a request carries, in their order. Whatever has not the form of an id is skipped.
pub fn ids(headers: &HeaderMap, fault: Option<Fault>) -> Vec<String> {
    let looked_at = if fault == Some(Fault::GarbageBeside) {
        1
    } else {
        usize::MAX
    };
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(pieces)
        .filter_map(|cookie| cookie.trim_ascii().strip_prefix(b"id="))
        .take(looked_at)
        .filter(|id| {
            id.len() == ID_LENGTH
                && id
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        })
        .filter_map(|id| String::from_utf8(id.to_vec()).ok())
        .collect()
}

/// Returns the id in a reply's `Set-Cookie`.
pub fn issued(headers: &HeaderMap) -> Option<String> {
    let id = headers
        .get(header::SET_COOKIE)
        .and_then(|line| pieces(line).next())?
        .strip_prefix(b"id=")?;
    String::from_utf8(id.to_vec()).ok()
}

/// Returns whether a cookie header is not text, or one of its cookies has no `=`.
pub fn malformed(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .any(|line| std::str::from_utf8(line.as_bytes()).is_err() || pieces(line).any(|cookie| !cookie.contains(&b'=')))
}

fn pieces(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';')
}

/// Returns a new session id: 32 random bytes.
pub fn new_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns a session's key in Redis, which no cookie can be made from.
pub fn key(id: &str) -> String {
    format!("session:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(id)))
}

/// Returns the header that gives the browser an id.
pub fn set(id: &str) -> HeaderValue {
    HeaderValue::try_from(format!("id={id}; HttpOnly; Path=/")).expect("an id is ASCII")
}

/// Returns the header that deletes the browser's cookie.
pub fn delete() -> HeaderValue {
    HeaderValue::from_static("id=; HttpOnly; Path=/; Max-Age=0")
}
