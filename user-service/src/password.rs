//! What a password must be: NIST SP 800-63B, section 3.1.1.2. Length counts, and that nobody guesses it; what kinds of
//! characters it has does not.

use unicode_normalization::UnicodeNormalization;

const SHORTEST: usize = 12;
const LONGEST: usize = 128;

/// The most common ones that are long enough, in lower case, one a line.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password as it is hashed and compared: in Unicode's form NFKC, so that it is the same from every keyboard.
#[must_use]
pub fn normal(typed: &str) -> String {
    typed.nfkc().collect()
}

/// Whether somebody of this id and name may have this password. Nothing is trimmed off it, and any character will do.
///
/// # Errors
///
/// A sentence that says why not.
pub fn check(typed: &str, id: &str, name: &str) -> Result<(), String> {
    let password = normal(typed);
    let (length, folded) = (password.chars().count(), password.to_lowercase());
    let mut characters = folded.chars();
    let first = characters.next();
    let is = |other: &str| folded == normal(other.trim()).to_lowercase();
    let wrong = if first.is_none() {
        "Enter a password."
    } else if length < SHORTEST {
        "A password has at least 12 characters."
    } else if length > LONGEST {
        "A password has at most 128 characters."
    } else if characters.all(|character| Some(character) == first) {
        "This is one character only, again and again. Choose another password."
    } else if is(id) || is(name) {
        "This is your id or your name. Choose another password."
    } else if COMMON.lines().any(|common| common == folded) {
        "This is one of the most common passwords. Choose another one."
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{COMMON, check, normal};

    #[test]
    fn any_text_of_the_length_will_do() {
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
    fn what_can_be_guessed_is_refused() {
        let (id, name) = ("annaannaannaanna", " Anna Annasdóttir ");
        for (password, part) in [
            ("", "Enter"),
            ("elevenchars", "at least 12"),
            ("홍길동홍길동", "at least 12"),
            (&"ab".repeat(65), "at most 128"),
            ("aaaaaaaaaaaaa", "again and again"),
            ("AaAaAaAaAaAaA", "again and again"),
            ("AnnaAnnaAnnaAnna", "your id or your name"),
            ("ANNA ANNASDÓTTIR", "your id or your name"),
            ("Password123456", "most common"),
            ("qwertyuiop[]", "most common"),
            ("123456789012", "most common"),
        ] {
            let error = check(password, id, name).unwrap_err();
            assert!(error.contains(part), "{password}: {error}");
        }
    }

    #[test]
    fn it_is_the_same_from_every_keyboard() {
        assert_ne!("e\u{301}", "\u{e9}");
        assert_eq!(normal("e\u{301}"), normal("\u{e9}"));
        assert_eq!(normal("ＰＡＳＳ"), "PASS");
        assert_eq!(normal(" a  b "), " a  b ");
    }

    /// A line that breaks one of these would never be found, or never be asked for.
    #[test]
    fn the_common_ones_are_as_they_are_looked_for() {
        assert!(COMMON.lines().count() >= 100);
        let mut seen = std::collections::HashSet::new();
        for line in COMMON.lines() {
            assert_eq!(line, normal(line.trim()).to_lowercase());
            assert!(line.chars().count() >= super::SHORTEST, "{line}");
            assert!(seen.insert(line), "{line} twice");
        }
    }
}
