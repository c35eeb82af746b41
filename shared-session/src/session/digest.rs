//! [`digest`]: the beginning of a SHA-256 as text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// How many bytes of a digest are kept: too many for anybody to find another text with the same ones.
pub(crate) const LENGTH: usize = 18;

/// How many bytes a whole digest has.
pub(crate) const WHOLE: usize = 32;

/// Returns the first `length` bytes of the SHA-256 of a text in parts, in base64url.
pub(crate) fn digest(parts: &[&str], length: usize) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..length])
}
