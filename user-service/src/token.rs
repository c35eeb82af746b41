//! Tokens: random texts that a browser sends back. A token proves only that the browser has it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service_kit::Failure;
use sha2::{Digest, Sha256};

const LENGTH: usize = 22;

/// A token of 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns a new token.
    pub fn generate() -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Failure::Internal(format!("no random bytes: {error}")))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Parses what a browser sent.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let is_token = text.len() == LENGTH && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_token.then(|| Self(text.to_owned()))
    }

    /// Returns the token as text, for the browser.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what the store holds instead of the token.
    pub fn digest(&self) -> String {
        digest(&self.0)
    }
}

/// Returns a digest of a text that the store must not hold.
pub fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Shows no value, because logs must not contain tokens.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}
