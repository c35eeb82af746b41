//! [`VerifierDigest`]: what a record holds of the secret that opens it.

use bytestring::ByteString;
use subtle::ConstantTimeEq;

use super::digest::{LENGTH, digest};

/// The beginning of a verifier's SHA-256, in base64url. Comparisons take constant time.
#[derive(Clone, Debug, Eq)]
pub struct VerifierDigest(ByteString);

impl VerifierDigest {
    /// Returns the digest of a verifier.
    pub(super) fn of(verifier: &str) -> Self {
        Self(digest(&[verifier], LENGTH).into())
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
