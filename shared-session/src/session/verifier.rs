//! [`VerifierDigest`]: what a record holds of the secret that opens it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a verifier, in base64url without padding. Comparisons take constant time.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerifierDigest(String);

impl VerifierDigest {
    /// Returns the digest of a verifier.
    pub(super) fn of(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)))
    }
}

impl PartialEq for VerifierDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
