//! [`SessionId`]: the secret in the cookie, and [`IdScheme`]: the ids that a format issues and accepts.

use std::convert::Infallible;
use std::fmt;

use sha2::{Digest, Sha256};

use super::storage_key::StorageKey;
use super::verifier::VerifierDigest;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// 103 bits, so that no two sessions get the same one.
const SELECTOR_LENGTH: usize = 20;
/// 144 bits, so that nobody can guess one.
const VERIFIER_LENGTH: usize = 28;
/// The end of an id whose session is remembered. It is a part of the verifier, so the record proves it.
const REMEMBERED: &str = "r";
/// 206 bits.
const PHP_LENGTH: usize = 40;

/// The secret that a browser holds in its cookie. It opens the session. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId {
    text: String,
    is_remembered: bool,
}

impl SessionId {
    fn ordinary(text: String) -> Self {
        let is_remembered = false;
        Self { text, is_remembered }
    }

    /// Returns the id as the cookie carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns whether the session with this id is remembered: its user stays signed in. So a load knows the session's idle
    /// timeout before it has the record.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.is_remembered
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(secret)")
    }
}

/// The operating system returned no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct RandomSourceError(getrandom::Error);

/// The ids of a format, and the keys that they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdScheme {
    /// A selector, which finds the record, and a verifier, whose digest the record holds. A renewal replaces the
    /// verifier alone, so the record stays where it is.
    SelectorVerifier,
    /// An id as PHP makes it (`session.sid_length`, `session.sid_bits_per_character`). The key holds it as it is, because
    /// PHP looks for the record there.
    Php,
}

impl IdScheme {
    /// Returns whether an id can say that its session is remembered.
    pub(crate) fn can_remember(self) -> bool {
        self == Self::SelectorVerifier
    }

    /// Returns a new id from the operating system's random source. In PHP's formats, `is_remembered` has no effect.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system returns no random bytes.
    pub fn generate(self, is_remembered: bool) -> Result<SessionId, RandomSourceError> {
        match self {
            Self::SelectorVerifier => Self::generate_verifier(&random_text(SELECTOR_LENGTH)?, is_remembered),
            Self::Php => random_text(PHP_LENGTH).map(SessionId::ordinary),
        }
    }

    /// Derives the id of an ordinary session from a secret and a public text. The same texts give the same id.
    pub(crate) fn derive(self, secret: &[u8], public: &[u8]) -> SessionId {
        let length = match self {
            Self::SelectorVerifier => SELECTOR_LENGTH + VERIFIER_LENGTH,
            Self::Php => PHP_LENGTH,
        };
        let mut block = 0_u8;
        let Ok(id) = text_from(length, || {
            block = block.wrapping_add(1);
            let hash = Sha256::new().chain_update(secret).chain_update(public);
            Ok::<[u8; 32], Infallible>(hash.chain_update([block]).finalize().into())
        });
        SessionId::ordinary(id)
    }

    /// Returns a new id for a renewed session. `member` is the session's key without the prefix.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system returns no random bytes.
    pub(crate) fn generate_verifier(member: &str, is_remembered: bool) -> Result<SessionId, RandomSourceError> {
        let end = if is_remembered { REMEMBERED } else { "" };
        let text = [member, &random_text(VERIFIER_LENGTH)?, end].concat();
        Ok(SessionId { text, is_remembered })
    }

    /// Returns the id that a cookie holds, or `None` if this scheme cannot have issued it.
    #[must_use]
    pub fn parse(self, value: &[u8]) -> Option<SessionId> {
        let text = std::str::from_utf8(value).ok()?;
        match self {
            Self::SelectorVerifier => {
                let (random, end) = text.split_at_checked(SELECTOR_LENGTH + VERIFIER_LENGTH)?;
                let is_valid = |byte: u8| byte.is_ascii_digit() | byte.is_ascii_lowercase();
                // without an early end, which would take the processor longer
                let is_valid = random.bytes().fold(true, |valid, byte| valid & is_valid(byte));
                let id = || SessionId {
                    text: text.to_owned(),
                    is_remembered: end == REMEMBERED,
                };
                (is_valid && ["", REMEMBERED].contains(&end)).then(id)
            }
            // PHP encodes the commas of its cookie
            Self::Php if text.contains("%2") => {
                let text = text.replace("%2C", ",").replace("%2c", ",");
                is_php(&text).then(|| SessionId::ordinary(text))
            }
            Self::Php => is_php(text).then(|| SessionId::ordinary(text.to_owned())),
        }
    }

    /// Returns the key of the record that the id leads to.
    #[must_use]
    pub fn key(self, prefix: &str, id: &SessionId) -> StorageKey {
        match self {
            Self::SelectorVerifier => self.key_of_member(prefix, &id.text[..SELECTOR_LENGTH]),
            Self::Php => self.key_of_member(prefix, &id.text),
        }
    }

    /// Returns the digest that the record must hold for the id to open it, or `None` if the key alone opens it.
    pub(crate) fn verifier_digest(self, id: &SessionId) -> Option<VerifierDigest> {
        match self {
            Self::SelectorVerifier => Some(VerifierDigest::of(&id.text[SELECTOR_LENGTH..])),
            Self::Php => None,
        }
    }

    /// Returns the key that consists of `prefix` and a member of an index.
    pub(crate) fn key_of_member(self, prefix: &str, member: &str) -> StorageKey {
        let id_at = match self {
            Self::SelectorVerifier => None,
            Self::Php => Some(prefix.len()),
        };
        StorageKey::new([prefix, member].concat(), id_at)
    }
}

/// Returns whether PHP may have made this id.
fn is_php(id: &str) -> bool {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b",-".contains(byte);
    (22..=256).contains(&id.len()) && id.as_bytes().iter().all(in_alphabet)
}

fn random_text(length: usize) -> Result<String, RandomSourceError> {
    text_from(length, || {
        let mut random = [0_u8; 64];
        getrandom::fill(&mut random).map_err(RandomSourceError)?;
        Ok(random)
    })
}

/// Returns a text of the alphabet from blocks of random bytes.
fn text_from<const N: usize, E>(length: usize, mut block: impl FnMut() -> Result<[u8; N], E>) -> Result<String, E> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let random = block()?;
        // 252 is the largest multiple of 36 in a byte: bytes above it would favor some characters
        let unbiased = random.iter().filter(|byte| **byte < 252);
        let characters = unbiased.map(|byte| char::from(ALPHABET[usize::from(byte % 36)]));
        text.extend(characters.take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_valid_and_differ() {
        for scheme in [IdScheme::SelectorVerifier, IdScheme::Php] {
            for is_remembered in [false, true] {
                let generate = || scheme.generate(is_remembered).unwrap();
                let (one, other) = (generate(), generate());
                assert_ne!(one, other);
                assert_eq!(one.is_remembered(), is_remembered && scheme.can_remember());
                assert_eq!(scheme.parse(one.expose().as_bytes()), Some(one));
            }
        }
        let remembered = "a".repeat(48) + "r";
        assert!(
            IdScheme::SelectorVerifier
                .parse(remembered.as_bytes())
                .unwrap()
                .is_remembered()
        );
        assert!(!IdScheme::Php.parse(remembered.as_bytes()).unwrap().is_remembered());
    }

    #[test]
    fn derived_ids_are_valid_and_depend_on_both_texts() {
        for scheme in [IdScheme::SelectorVerifier, IdScheme::Php] {
            let id = scheme.derive(b"secret", b"public");
            assert_eq!(scheme.derive(b"secret", b"public"), id);
            assert_eq!(scheme.parse(id.expose().as_bytes()).as_ref(), Some(&id));
            for (secret, public) in [("secret", "other"), ("other", "public")] {
                assert_ne!(scheme.derive(secret.as_bytes(), public.as_bytes()), id);
            }
        }
    }

    #[test]
    fn other_texts_are_not_ids() {
        let own = "a".repeat(48);
        for bad in [
            "",
            "a",
            &"a".repeat(47),
            &"a".repeat(49),
            &(own.clone() + "R"),
            &(own.clone() + "rr"),
            &("a".repeat(47) + "\u{e9}"),
            &own.to_uppercase(),
            &own.replace('a', "é"),
        ] {
            assert!(IdScheme::SelectorVerifier.parse(bad.as_bytes()).is_none(), "{bad}");
        }
        for bad in [
            "",
            &"a".repeat(21),
            &"a".repeat(257),
            "aaaaaaaaaaaaaaaaaaaaaaaaaa/../",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\u{e9}",
        ] {
            assert!(IdScheme::Php.parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(IdScheme::Php.parse(b"ABCdef,-0123456789abcdef").is_some());
        // as PHP writes it into its cookie, and nothing else
        let encoded = IdScheme::Php.parse(b"ABCdef%2C-0123456789%2cbcdef").unwrap();
        assert_eq!(encoded.expose(), "ABCdef,-0123456789,bcdef");
        for bad in ["%2D", "%252C", "%2", "%41"] {
            let text = format!("{}{bad}", "a".repeat(22));
            assert!(IdScheme::Php.parse(text.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn logs_show_no_id() {
        for scheme in [IdScheme::SelectorVerifier, IdScheme::Php] {
            let id = scheme.generate(true).unwrap();
            let key = scheme.key("session:", &id);
            assert!(!format!("{id:?} {key:?} {key}").contains(id.expose()));
            assert!(key.to_string().starts_with("session:"));
        }
    }

    #[test]
    fn a_key_holds_the_selector_or_the_id_of_php() {
        let own = IdScheme::SelectorVerifier.generate(true).unwrap();
        let key = IdScheme::SelectorVerifier.key("session:", &own);
        assert_eq!(key.as_str(), format!("session:{}", &own.expose()[..20]));
        let php = IdScheme::Php.generate(false).unwrap();
        assert_eq!(IdScheme::Php.key("p:", &php).as_str(), format!("p:{}", php.expose()));
    }
}
