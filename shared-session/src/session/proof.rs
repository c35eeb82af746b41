//! [`Proof`]: the proof that a request may use a session of another library.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::digest::LENGTH;
use super::id::{IdScheme, SessionId};

/// A secret. Computing it takes both the cookie of a session of another library and the key of that library's cookies.
#[derive(Clone)]
pub(crate) struct Proof([u8; 32]);

impl Proof {
    /// Returns the proof of the session that `unique` identifies. The same text proves the same session.
    #[cfg(feature = "actix")]
    pub fn new(key: &[u8], unique: &str) -> Self {
        // the outer hash keeps anybody from extending the inner one
        let inner = hash(&[key, unique.as_bytes()]);
        Self(hash(&[key, &inner]))
    }

    /// Returns the public name of the session.
    pub fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(&hash(&[b"name", &self.0])[..LENGTH])
    }

    /// Returns the id that the session gets with a claim, which is public.
    pub fn id(&self, ids: IdScheme, claim: &[u8]) -> SessionId {
        ids.derive(&self.0, claim)
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hash.finalize().into()
}
