//! An account, and the rules of what it is called by. It knows neither where accounts are kept nor who asks for one.

use std::fmt;

use service_kit::site::lecture;

const ID: std::ops::RangeInclusive<usize> = 3..=32;
const LONGEST_NAME: usize = 50;

/// Somebody who registered.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// What they sign in with.
    pub id: AccountId,
    /// What they want to be called.
    pub name: String,
    /// Their password's hash, as a PHC string.
    pub hash: String,
    /// When they registered, in seconds since 1970.
    pub created: u64,
}

/// Nothing of it: neither a name nor a hash is for the log.
impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").finish_non_exhaustive()
    }
}

/// An id that an account can have: lower case, and safe in a key, an address and a page.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// The id that was typed, however it was capitalised.
    ///
    /// # Errors
    ///
    /// A sentence that says what an id is like.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let id = typed.trim().to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let known = |byte: u8| plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() {
            Err("Enter an id.".to_owned())
        } else if !ID.contains(&id.chars().count()) {
            Err("An id has 3 to 32 characters.".to_owned())
        } else if !id.bytes().all(known) || !id.bytes().next().is_some_and(plain) {
            Err("An id has letters a to z, digits, and . _ - after the first.".to_owned())
        } else {
            Ok(Self(id))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is whom the lecture's page makes of everybody, and so nobody's to have.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0 == lecture::USER_ID
    }
}

/// Nothing of it: whose id it is, is not for the log.
impl fmt::Debug for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccountId(..)")
    }
}

/// The name that was typed. Whatever it holds stays text.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub fn name(typed: &str) -> Result<String, String> {
    let name = typed.trim();
    if name.is_empty() {
        Err("Enter a name.".to_owned())
    } else if name.chars().count() > LONGEST_NAME {
        Err("A name has at most 50 characters.".to_owned())
    } else if name.chars().any(char::is_control) {
        Err("A name has no control characters, such as a line's end.".to_owned())
    } else {
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{AccountId, name};

    #[test]
    fn an_id_is_taken_in_lower_case() {
        for (typed, id) in [
            ("abc", "abc"),
            (" Anna ", "anna"),
            ("4.b_c-d", "4.b_c-d"),
            (&"X".repeat(32), &"x".repeat(32)),
        ] {
            assert_eq!(AccountId::parse(typed).unwrap().as_str(), id);
        }
        assert!(AccountId::parse("KKY").unwrap().is_reserved());
        assert!(!AccountId::parse("kkyy").unwrap().is_reserved());
    }

    #[test]
    fn what_is_no_id_is_told_why() {
        for (typed, part) in [
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
            ("\u{212a}ky", "a to z"), // the sign of Kelvin, which full case folding makes a k of
        ] {
            let error = AccountId::parse(typed).unwrap_err();
            assert!(error.contains(part), "{typed}: {error}");
        }
    }

    #[test]
    fn a_name_is_any_text_of_one_line() {
        for typed in [
            "A",
            "홍길동",
            "<script>alert(1)</script>",
            "O'Neill & \"she\"",
            &"홍".repeat(50),
        ] {
            assert_eq!(name(typed).unwrap(), typed);
        }
        assert_eq!(name("  Anna B \t").unwrap(), "Anna B");
        for typed in ["", " \t\u{3000}", &"홍".repeat(51), "a\nb", "a\0b", "a\u{85}b"] {
            assert!(name(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn debugging_an_account_shows_nothing_of_it() {
        let id = AccountId::parse("anna").unwrap();
        assert!(!format!("{id:?}").contains("anna"));
        let account = super::Account {
            id,
            name: "Berta".to_owned(),
            hash: "$argon2id$".to_owned(),
            created: 0,
        };
        assert_eq!(format!("{account:?}"), "Account { .. }");
    }
}
