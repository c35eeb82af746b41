//! Session ids, and the cookie `id` that carries one.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const ID_LENGTH: usize = 43;

/// Returns every session id that a request carries, in their order. Whatever has not the form of an id is skipped.
pub fn ids(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|cookie| cookie.trim_ascii().strip_prefix(b"id="))
        .filter(|id| {
            id.len() == ID_LENGTH
                && id
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        })
        .filter_map(|id| String::from_utf8(id.to_vec()).ok())
        .collect()
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
