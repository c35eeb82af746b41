//! Defines an account, and which user IDs and names are valid.

use std::fmt;

use service_kit::site::{lecture, text};

/// What forms say about a new user ID.
pub const ID_HINT: &str =
    "3 to 32 letters (a to z), digits, dots, hyphens and underscores. The first is a letter or a digit.";

const ID_LENGTH: std::ops::RangeInclusive<usize> = 3..=32;
const MAX_NAME_LENGTH: usize = 50;

/// Nobody can register these user IDs, because others would take them for the site's own, nor that of the lecture's user.
const RESERVED: [&str; 12] = [
    "abuse",
    "admin",
    "administrator",
    "help",
    "info",
    lecture::USER_ID,
    "postmaster",
    "root",
    "security",
    "support",
    "system",
    "webmaster",
];

/// A registered user.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Names the account in sessions and keys: a random text, which no other registration has, not even a later one of the
    /// same user ID.
    pub id: String,
    /// The ID that the user signs in with.
    pub user_id: UserId,
    /// The name that pages show.
    pub name: String,
    /// The password's hash, as a PHC string.
    pub password_hash: String,
    /// The time of the registration, in seconds since the Unix epoch.
    pub created: u64,
    /// The digest of the token of the form that registered the user, which identifies the same form if it is sent again.
    pub registration: Option<String>,
}

/// Shows no value, because logs must not contain names or hashes.
impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").finish_non_exhaustive()
    }
}

/// A valid user ID: lower case, and safe in a Redis key, a URL and a page.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// Parses a user's input. Upper case and surrounding spaces are accepted.
    ///
    /// # Errors
    ///
    /// Returns a message for the user if the input is an invalid ID.
    pub fn parse(input: &str) -> Result<Self, String> {
        let id = input.trim().to_ascii_lowercase();
        let may_begin = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let may_follow = |byte: u8| may_begin(byte) || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() {
            Err("Enter a user ID.".to_owned())
        } else if !ID_LENGTH.contains(&id.chars().count()) {
            Err("A user ID must have 3 to 32 characters.".to_owned())
        } else if !id.bytes().all(may_follow) || !id.bytes().next().is_some_and(may_begin) {
            Err(
                "A user ID can contain only letters (a to z), digits, dots, hyphens and underscores, and must begin with a letter or a digit."
                    .to_owned(),
            )
        } else {
            Ok(Self(id))
        }
    }

    /// Returns the ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether nobody can register this ID.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&&*self.0)
    }
}

/// Shows no value, because only the audit log may contain user IDs.
impl fmt::Debug for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UserId(..)")
    }
}

/// Parses a user's name. It can hold any text of one line, such as HTML, so pages must escape it.
///
/// # Errors
///
/// Returns a message for the user if the name is empty, too long, or contains a character that readers do not see.
pub fn parse_name(input: &str) -> Result<String, String> {
    let name = input.trim();
    if !text::is_visible(name) && !name.chars().any(text::is_hidden) {
        Err("Enter a name.".to_owned())
    } else if name.chars().count() > MAX_NAME_LENGTH {
        Err("A name must have at most 50 characters.".to_owned())
    } else if name.chars().any(text::is_hidden) {
        Err("A name must not contain line breaks, invisible characters or other control characters.".to_owned())
    } else {
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Account, UserId, parse_name};

    #[test]
    fn user_id_is_parsed_to_lower_case() {
        for (input, id) in [
            ("abc", "abc"),
            (" Anna ", "anna"),
            ("4.b_c-d", "4.b_c-d"),
            (&"X".repeat(32), &"x".repeat(32)),
        ] {
            assert_eq!(UserId::parse(input).unwrap().as_str(), id);
        }
    }

    #[test]
    fn ids_that_look_like_the_sites_own_are_reserved() {
        for (input, is_reserved) in [
            ("KKY", true),
            ("Admin", true),
            ("root", true),
            ("support", true),
            ("kkyy", false),
        ] {
            assert_eq!(UserId::parse(input).unwrap().is_reserved(), is_reserved, "{input}");
        }
    }

    #[test]
    fn invalid_user_id_is_rejected_with_its_reason() {
        for (input, part) in [
            ("", "Enter"),
            ("  ", "Enter"),
            ("ab", "3 to 32"),
            (&"x".repeat(33), "3 to 32"),
            ("홍길", "3 to 32"),
            ("홍길동", "a to z"),
            ("-abc", "a to z"),
            (".abc", "a to z"),
            ("a b c", "a to z"),
            ("abc:d", "a to z"),
            ("abc\n.d", "a to z"),
            ("abc*", "a to z"),
            ("\u{212a}ky", "a to z"), // the Kelvin sign, which Unicode case folding maps to k
        ] {
            let error = UserId::parse(input).unwrap_err();
            assert!(error.contains(part), "{input}: {error}");
        }
    }

    #[test]
    fn name_can_be_any_text_of_one_line() {
        for input in [
            "A",
            "홍길동",
            "<script>alert(1)</script>",
            "O'Neill & \"she\"",
            &"홍".repeat(50),
        ] {
            assert_eq!(parse_name(input).unwrap(), input);
        }
        assert_eq!(parse_name("  Anna B \t").unwrap(), "Anna B");
        for input in [
            "",
            " \t\u{3000}",
            &"홍".repeat(51),
            "a\nb",
            "a\0b",
            "a\u{85}b",
            "Anna\u{202e}nimda",
            "An\u{200b}na",
            "\u{3164}",
            "\u{200d}",
        ] {
            assert!(parse_name(input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn debug_output_shows_no_value() {
        let id = UserId::parse("anna").unwrap();
        assert!(!format!("{id:?}").contains("anna"));
        let account = Account {
            id: "random".to_owned(),
            user_id: id,
            name: "Berta".to_owned(),
            password_hash: "$argon2id$".to_owned(),
            created: 0,
            registration: Some("digest".to_owned()),
        };
        assert_eq!(format!("{account:?}"), "Account { .. }");
    }
}
