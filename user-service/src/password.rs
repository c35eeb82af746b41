//! Decides which passwords are accepted (NIST SP 800-63B, section 3.1.1.2). A password must be long and hard to guess. It
//! may consist of any characters.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

/// What forms say about a new password.
pub const HINT: &str = "At least 12 characters. A few unrelated words are easy to remember.";

const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 128;

/// The message about a password that is among the first that an attacker tries.
pub const TOO_COMMON: &str =
    "This is one of the most common passwords, or close to one. Choose another one, such as a few unrelated words.";

/// The words that name this site.
const SITE_NAMES: [&str; 4] = ["shared session", "shared-session", "shared_session", "sharedsession"];

/// A name that is shorter may be part of a password.
const MIN_NAME_LENGTH: usize = 4;

/// The beginning, in characters, whose strength is measured: a longer text takes too much time.
const MEASURED_LENGTH: usize = 32;

/// Common passwords, in lower case, one a line. Lines that begin with `#` say where they are from.
const COMMON: &str = include_str!("common_passwords.txt");

/// Returns the password as it is hashed and compared: in Unicode's form NFKC, in which every keyboard's input is equal.
#[must_use]
pub fn normalize(input: &SecretString) -> SecretString {
    nfkc(input.expose_secret()).into()
}

/// Checks the length of a password, and that it contains neither the user's ID, nor the user's name, nor the site's name.
/// Spaces count, and every character is allowed. [`is_common`] has to be asked too, on another thread.
///
/// # Errors
///
/// Returns a message for the user if the password is rejected.
pub fn check(input: &SecretString, id: &str, name: &str) -> Result<(), String> {
    let password = normalize(input);
    let folded = SecretString::from(password.expose_secret().to_lowercase());
    // as the user sees them: NFKC makes 18 letters of the one character U+FDFA
    let characters: Vec<char> = input.expose_secret().nfc().flat_map(char::to_lowercase).collect();
    let (length, first) = (input.expose_secret().nfc().count(), characters.first());
    let folded = folded.expose_secret();
    let fold = |text: &str| nfkc(text.trim()).to_lowercase();
    let (id, name) = (fold(id), fold(name));
    let contains_id = !id.is_empty() && folded.contains(&id);
    let contains_name = folded == name || (name.chars().count() >= MIN_NAME_LENGTH && folded.contains(&name));
    let message = if first.is_none() {
        "Enter a password."
    } else if length < MIN_LENGTH {
        "A password must have at least 12 characters."
    } else if length > MAX_LENGTH {
        "A password must have at most 128 characters."
    } else if characters.iter().all(|character| Some(character) == first) {
        "This password repeats one character. Choose another password."
    } else if contains_id || contains_name {
        "A password must not contain your user ID or your name. Choose another password."
    } else if SITE_NAMES.iter().any(|name| folded.contains(name)) {
        "A password must not contain the name of this site. Choose another password."
    } else {
        return Ok(());
    };
    Err(message.to_owned())
}

/// Returns whether a password is among the first that an attacker tries: it is common, or made of common words, dates or rows
/// of keys in few ways. Takes up to a tenth of a second.
#[must_use]
pub fn is_common(input: &SecretString, id: &str, name: &str) -> bool {
    let password = normalize(input);
    let folded = SecretString::from(password.expose_secret().to_lowercase());
    if common_passwords().any(|common| common == folded.expose_secret()) {
        return true;
    }
    let characters: Vec<char> = password.expose_secret().chars().collect();
    let known = [id, name, SITE_NAMES[0]];
    let is_weak = |part: &[char]| {
        let part = SecretString::from(part.iter().collect::<String>());
        zxcvbn(part.expose_secret(), &known).score() < Score::Three
    };
    // a long password is strong if one part of it is
    let mut parts = characters.chunks(MEASURED_LENGTH);
    parts.all(is_weak)
}

fn common_passwords() -> impl Iterator<Item = &'static str> {
    COMMON.lines().filter(|line| !line.starts_with('#'))
}

fn nfkc(text: &str) -> String {
    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::SecretString;

    use super::{TOO_COMMON, common_passwords, nfkc};

    fn check(password: &str, id: &str, name: &str) -> Result<(), String> {
        let password = SecretString::from(password);
        super::check(&password, id, name)?;
        if super::is_common(&password, id, name) {
            return Err(TOO_COMMON.to_owned());
        }
        Ok(())
    }

    #[test]
    fn any_text_of_accepted_length_is_accepted() {
        for password in [
            "correct horse",
            "<script>\0\n</script>",
            "correct-horse-password123456",
            "홍길동은 아침에 사과를 먹는다",
            &format!("{}🐎 staple, battery", "a".repeat(110)),
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
            ("my annaannaannaanna", "your user ID or your name"),
            ("by anna annasdóttir", "your user ID or your name"),
            ("my Shared-Session 7", "the name of this site"),
            ("sharedsession!", "the name of this site"),
            ("            . ", "most common"),
            (&"홍길동".repeat(4), "most common"),
            (&"🐎a".repeat(64), "most common"),
            ("iloveyou123456", "most common"),
            ("P@ssw0rd!!!!!", "most common"),
            ("1q2w3e4r5t6y", "most common"),
            ("drowssap123456", "most common"),
            ("dkssudgktpdy", "most common"),
            ("Password123456", "most common"),
            ("qwertyuiop[]", "most common"),
            ("123456789012", "most common"),
            ("PolniyPizdec0211", "most common"),
            ("\u{fdfa}", "at least 12"),
            (&"\u{fdfa}".repeat(11), "at least 12"),
            (&"\u{fdfa}".repeat(12), "repeats one character"),
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
        let mut seen = std::collections::HashSet::new();
        for line in common_passwords() {
            assert_eq!(line, nfkc(line.trim()).to_lowercase());
            assert!(line.chars().count() >= super::MIN_LENGTH, "{line}");
            assert!(seen.insert(line), "{line} twice");
        }
    }
}
