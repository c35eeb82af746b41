//! Decides which passwords are accepted, after NIST SP 800-63B, section 3.1.1.2: the length counts, and that the
//! password is hard to guess; the kinds of characters do not.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

/// What forms say about a new password.
pub const HINT: &str = "At least 12 characters. A few unrelated words are easy to remember.";

const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 128;

/// The most common passwords that are long enough, in lower case, one a line.
const COMMON: &str = include_str!("common_passwords.txt");

/// Returns the password as it is hashed and compared: in Unicode's form NFKC, in which every keyboard's input is equal.
#[must_use]
pub fn normalize(input: &SecretString) -> SecretString {
    nfkc(input.expose_secret()).into()
}

/// Checks that a user with this ID and name may have this password. Spaces count, and every character is allowed.
///
/// # Errors
///
/// Returns a message for the user if the password is rejected.
pub fn check(input: &SecretString, id: &str, name: &str) -> Result<(), String> {
    let password = normalize(input);
    let folded = SecretString::from(password.expose_secret().to_lowercase());
    let (length, folded) = (password.expose_secret().chars().count(), folded.expose_secret());
    let mut characters = folded.chars();
    let first = characters.next();
    let equals = |other: &str| folded == nfkc(other.trim()).to_lowercase();
    let message = if first.is_none() {
        "Enter a password."
    } else if length < MIN_LENGTH {
        "A password must have at least 12 characters."
    } else if length > MAX_LENGTH {
        "A password must have at most 128 characters."
    } else if characters.all(|character| Some(character) == first) {
        "This password repeats one character. Choose another password."
    } else if equals(id) || equals(name) {
        "This password is your user ID or your name. Choose another password."
    } else if COMMON.lines().any(|common| common == folded) {
        "This is one of the most common passwords. Choose another password."
    } else {
        return Ok(());
    };
    Err(message.to_owned())
}

fn nfkc(text: &str) -> String {
    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::SecretString;

    use super::{COMMON, nfkc};

    fn check(password: &str, id: &str, name: &str) -> Result<(), String> {
        super::check(&SecretString::from(password), id, name)
    }

    #[test]
    fn any_text_of_accepted_length_is_accepted() {
        for password in [
            "correct horse",
            "            . ",
            "<script>\0\n</script>",
            "correct-horse-password123456",
            &"홍길동".repeat(4),
            &"🐎a".repeat(64),
        ] {
            assert_eq!(check(password, "anna", "Anna"), Ok(()), "{password:?}");
        }
    }

    #[test]
    fn password_that_is_easy_to_guess_is_rejected() {
        let (id, name) = ("annaannaannaanna", " Anna Annasdóttir ");
        for (password, part) in [
            ("", "Enter"),
            ("elevenchars", "at least 12"),
            ("홍길동홍길동", "at least 12"),
            (&"ab".repeat(65), "at most 128"),
            ("aaaaaaaaaaaaa", "repeats one character"),
            ("AaAaAaAaAaAaA", "repeats one character"),
            ("AnnaAnnaAnnaAnna", "your user ID or your name"),
            ("ANNA ANNASDÓTTIR", "your user ID or your name"),
            ("Password123456", "most common"),
            ("qwertyuiop[]", "most common"),
            ("123456789012", "most common"),
        ] {
            let error = check(password, id, name).unwrap_err();
            assert!(error.contains(part), "{password}: {error}");
        }
    }

    #[test]
    fn equivalent_unicode_text_is_the_same_password() {
        assert_ne!("e\u{301}", "\u{e9}");
        assert_eq!(nfkc("e\u{301}"), nfkc("\u{e9}"));
        assert_eq!(nfkc("ＰＡＳＳ"), "PASS");
        assert_eq!(nfkc(" a  b "), " a  b ");
    }

    /// A common password in another form is never found.
    #[test]
    fn common_passwords_are_normalized_unique_and_long_enough() {
        assert!(COMMON.lines().count() >= 100);
        let mut seen = std::collections::HashSet::new();
        for line in COMMON.lines() {
            assert_eq!(line, nfkc(line.trim()).to_lowercase());
            assert!(line.chars().count() >= super::MIN_LENGTH, "{line}");
            assert!(seen.insert(line), "{line} twice");
        }
    }
}
