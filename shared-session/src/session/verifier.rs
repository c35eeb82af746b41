//! [`VerifierDigest`]: what a record holds of the secret that opens it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytestring::ByteString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How many bytes of the SHA-256 a record holds: as many bits as a verifier has.
const LENGTH: usize = 18;

/// The beginning of a verifier's SHA-256, in base64url. Comparisons take constant time.
#[derive(Clone, Debug, Eq)]
pub struct VerifierDigest(ByteString);

impl VerifierDigest {
    /// Returns the digest of a verifier.
    pub(super) fn of(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(&Sha256::digest(verifier)[..LENGTH]).into())
    }

    /// Returns the text for a record.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the digest whose text a record holds.
    pub(super) fn of_record(text: ByteString) -> Self {
        Self(text)
    }
}

impl PartialEq for VerifierDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
