//! [`header_text`]: a value of a session as the value of a header.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns a JSON value as the value of a header: the text of a string, and the JSON text of anything else. Bytes that a header
/// cannot hold, spaces and `%` are percent-encoded in UTF-8 (RFC 3986, section 2.1), so whoever decodes the value gets it back.
#[must_use]
pub fn header_text(json: &str) -> String {
    let text: Cow<'_, str> = match serde_json::from_str::<String>(json) {
        Ok(text) => text.into(),
        Err(_) => json.into(),
    };
    percent_encoded(&text)
}

/// Returns a text as the value of a header.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_holds_neither_line_breaks_nor_other_bytes_than_ascii() {
        for (json, expected) in [
            (r#""anna""#, "anna"),
            ("7", "7"),
            (r#"{"a":[1,true]}"#, r#"{"a":[1,true]}"#),
            (r#""a\r\nx-user: b""#, "a%0D%0Ax-user:%20b"),
            (r#""Zoë 100%""#, "Zo%C3%AB%20100%25"),
            (r#""""#, ""),
        ] {
            assert_eq!(header_text(json), expected, "{json}");
        }
    }
}
