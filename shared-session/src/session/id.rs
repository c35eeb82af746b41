//! [`SessionId`]: the secret in the cookie, and the ids that each format accepts.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::storage_key::StorageKey;

const LENGTH: usize = 40;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The secret that a browser holds in its cookie: whoever has it has the session. Neither `Debug` nor an error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// A new id of 40 characters of `[0-9a-z]` from the operating system's random source: 206 bits, so it cannot be
    /// guessed and needs no signature.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomSourceError> {
        let mut id = String::with_capacity(LENGTH);
        let mut random = [0_u8; 64];
        while id.len() < LENGTH {
            getrandom::fill(&mut random).map_err(RandomSourceError)?;
            // 252 is the largest multiple of 36 that a byte holds: above it some characters would be likelier
            let characters = random.iter().filter(|byte| **byte < 252);
            let missing = LENGTH - id.len();
            id.extend(
                characters
                    .take(missing)
                    .map(|byte| char::from(ALPHABET[usize::from(byte % 36)])),
            );
        }
        Ok(Self(id))
    }

    /// No id: what a cookie holds that is being taken away.
    pub(crate) fn none() -> Self {
        Self(String::new())
    }

    /// The id as the cookie carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The operating system returned no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct RandomSourceError(getrandom::Error);

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(secret)")
    }
}

/// Which ids a format accepts, and which key a record lies under.
#[derive(Clone, Debug)]
pub enum IdRules {
    /// Ids as [`SessionId::generate`] makes them; keys from their SHA-256, so a dump of the store lets nobody in.
    Own,
    /// Ids as PHP makes them (`session.sid_length`, `session.sid_bits_per_character`); the key holds the id as it is,
    /// because PHP looks for it there.
    Php,
}

impl IdRules {
    /// An id out of a cookie; `None` when it is none that this format could have issued.
    #[must_use]
    pub fn parse(&self, value: &[u8]) -> Option<SessionId> {
        let valid = match self {
            Self::Own => value.len() == LENGTH && value.iter().all(|byte| ALPHABET.contains(byte)),
            Self::Php => {
                (22..=256).contains(&value.len())
                    && value
                        .iter()
                        .all(|byte| byte.is_ascii_alphanumeric() || b",-".contains(byte))
            }
        };
        let value = valid.then(|| std::str::from_utf8(value).ok())??;
        Some(SessionId(value.to_owned()))
    }

    /// The key under which the record of `id` lies.
    #[must_use]
    pub fn key(&self, prefix: &str, id: &SessionId) -> StorageKey {
        match self {
            Self::Own => self.key_of_member(prefix, &hash(&id.0)),
            Self::Php => self.key_of_member(prefix, &id.0),
        }
    }

    /// The key that is `prefix` and a member of an index.
    pub(crate) fn key_of_member(&self, prefix: &str, member: &str) -> StorageKey {
        StorageKey::new(
            format!("{prefix}{member}"),
            match self {
                Self::Own => None,
                Self::Php => Some(prefix.len()),
            },
        )
    }
}

pub(super) fn hash(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_the_alphabet_and_differ() {
        let (one, other) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
        assert_ne!(one, other);
        assert!(IdRules::Own.parse(one.expose().as_bytes()).is_some());
        assert!(IdRules::Php.parse(one.expose().as_bytes()).is_some());
    }

    #[test]
    fn what_no_format_issued_is_no_id() {
        let forty = "a".repeat(40);
        for bad in [
            "",
            "a",
            &"a".repeat(39),
            &"a".repeat(41),
            &forty.to_uppercase(),
            &forty.replace('a', "é"),
        ] {
            assert!(IdRules::Own.parse(bad.as_bytes()).is_none(), "{bad}");
        }
        for bad in [
            "",
            &"a".repeat(21),
            &"a".repeat(257),
            "aaaaaaaaaaaaaaaaaaaaaaaaaa/../",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\u{e9}",
        ] {
            assert!(IdRules::Php.parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(IdRules::Php.parse(b"ABCdef,-0123456789abcdef").is_some());
    }

    #[test]
    fn neither_id_nor_key_shows_the_id() {
        let id = SessionId::generate().unwrap();
        for rules in [IdRules::Own, IdRules::Php] {
            let key = rules.key("session:", &id);
            assert!(!format!("{id:?} {key:?} {key}").contains(id.expose()));
            assert!(key.to_string().starts_with("session:"));
        }
        assert!(!IdRules::Own.key("session:", &id).as_str().contains(id.expose()));
        assert_eq!(IdRules::Php.key("p:", &id).as_str(), format!("p:{}", id.expose()));
    }
}
