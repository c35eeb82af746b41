//! Finds the members of a JSON object in one pass, and checks that the text is JSON (RFC 8259). It parses no value.

use std::ops::Range;

use super::MAX_JSON_DEPTH;

/// A member of an object, by the places of its parts in the text.
pub(super) struct Member {
    /// The name, with its quotes.
    pub name: Range<usize>,
    /// Whether the name has an escape sequence.
    pub is_escaped: bool,
    pub value: Range<usize>,
}

/// Why a text was refused. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The text is not JSON, or not an object. The number of its bytes before the fault.
    #[error("not a JSON object, at byte {0}")]
    Invalid(usize),
    /// A value is nested deeper than [`MAX_JSON_DEPTH`].
    #[error("nested more than {MAX_JSON_DEPTH} levels deep")]
    TooDeep,
}

type Result<T> = std::result::Result<T, Refusal>;

/// Calls `visit` for each member of the object that `text` is, in their order.
pub(super) fn object(text: &str, mut visit: impl FnMut(Member) -> Result<()>) -> Result<()> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    scanner.expect(b'{')?;
    scanner.skip_space();
    if !scanner.skip(b'}') {
        loop {
            let start = scanner.at;
            let is_escaped = scanner.string()?;
            let name = start..scanner.at;
            scanner.colon()?;
            let start = scanner.at;
            scanner.value()?;
            let value = start..scanner.at;
            visit(Member {
                name,
                is_escaped,
                value,
            })?;
            scanner.skip_space();
            if scanner.skip(b'}') {
                break;
            }
            scanner.expect(b',')?;
            scanner.skip_space();
        }
    }
    scanner.end()
}

/// Checks that `text` is one JSON value, and that it is not nested too deep.
pub(super) fn value(text: &str) -> Result<()> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    scanner.value()?;
    scanner.end()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Self { bytes, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips a byte if it comes next. Returns whether it does.
    fn skip(&mut self, byte: u8) -> bool {
        let comes = self.peek() == Some(byte);
        self.at += usize::from(comes);
        comes
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.skip(byte) { Ok(()) } else { self.refuse() }
    }

    fn refuse<T>(&self) -> Result<T> {
        Err(Refusal::Invalid(self.at))
    }

    /// Skips the colon between a name and a value.
    fn colon(&mut self) -> Result<()> {
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            self.refuse()
        }
    }

    /// Skips a value. `nesting` has a bit for each array or object that is open, and the innermost one's is 1 if it is an
    /// object.
    fn value(&mut self) -> Result<()> {
        let (mut nesting, mut depth) = (0_u128, 0);
        loop {
            match self.peek() {
                Some(open @ (b'[' | b'{')) => {
                    self.at += 1;
                    depth += 1;
                    if depth > MAX_JSON_DEPTH {
                        return Err(Refusal::TooDeep);
                    }
                    let is_object = open == b'{';
                    nesting = nesting << 1 | u128::from(is_object);
                    self.skip_space();
                    if !self.skip(if is_object { b'}' } else { b']' }) {
                        if is_object {
                            self.string()?;
                            self.colon()?;
                        }
                        continue;
                    }
                    depth -= 1;
                    nesting >>= 1;
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return self.refuse(),
            }
            // a value is complete, and perhaps the arrays and objects around it
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = nesting & 1 == 1;
                self.skip_space();
                if self.skip(if is_object { b'}' } else { b']' }) {
                    depth -= 1;
                    nesting >>= 1;
                    continue;
                }
                self.expect(b',')?;
                self.skip_space();
                if is_object {
                    self.string()?;
                    self.colon()?;
                }
                break;
            }
        }
    }

    /// Skips a string. Returns whether it has an escape sequence.
    fn string(&mut self) -> Result<bool> {
        self.expect(b'"')?;
        let mut is_escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += plain(rest);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return self.refuse(),
            }
        }
    }

    /// Skips the rest of an escape sequence. Half of a surrogate pair is no character, so most languages cannot hold it.
    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.code_unit()? {
                0xd800..0xdc00 => {
                    self.expect(b'\\')?;
                    if !matches!(self.code_unit()?, 0xdc00..0xe000) {
                        return self.refuse();
                    }
                }
                0xdc00..0xe000 => return self.refuse(),
                _ => {}
            },
            _ => return self.refuse(),
        }
        Ok(())
    }

    /// Skips a `u` and four hexadecimal digits. Returns their value.
    fn code_unit(&mut self) -> Result<u32> {
        self.expect(b'u')?;
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let value = digits
            .iter()
            .try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?));
        self.at += digits.len();
        match value {
            Some(value) if digits.len() == 4 => Ok(value),
            _ => self.refuse(),
        }
    }

    fn number(&mut self) -> Result<()> {
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Skips at least one digit.
    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.refuse() }
    }

    fn literal(&mut self, text: &[u8]) -> Result<()> {
        if !self.bytes[self.at..].starts_with(text) {
            return self.refuse();
        }
        self.at += text.len();
        Ok(())
    }
}

/// Returns how many bytes come before the first one that means something in a string: a quote, a backslash or a control
/// character. Looks at eight of them at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // the lowest bit that it sets is right; above it, a carry may set others
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut count = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = control | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return count + found.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let rest = bytes.get(count..).unwrap_or_default();
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
    count + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn is_json(text: &str) -> bool {
        serde_json::from_str::<&RawValue>(text).is_ok()
    }

    #[test]
    fn values_are_valid_exactly_if_serde_json_reads_them() {
        for text in [
            "",
            " ",
            "0",
            "-0",
            "-",
            "01",
            "1.",
            ".5",
            "1.5e",
            "1e+",
            "1e+07",
            "-1.5E-3 ",
            "1e400",
            "+1",
            "1x",
            "true",
            "tru",
            "nulll",
            "\"",
            "\"a",
            "\"a\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\x\"",
            "\"\\",
            "\"\n\"",
            "\"\t\"",
            "\"\u{7f}\u{80}é\"",
            "[",
            "[]",
            "[ ]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1]]",
            "[}",
            "{",
            "{}",
            "{ }",
            "{]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\" : [ { } , [ ] ] }",
            "{1:2}",
            "{\"a\" 1}",
            "[{\"a\":[1,{\"b\":null}]},\"c\"]",
            "\"aaaaaaa\\\"bbbbbbbbbbbbbbb\"",
            "\"aaaaaaaaaaaaaaaaaaaaaaaaa\u{1f}\"",
        ] {
            assert_eq!(value(text).is_ok(), is_json(text), "{text:?}");
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_refused() {
        for (text, is_valid) in [
            (r"\ud7ff\ue000", true),
            (r"\ud83d\ude00", true),
            (r"\uD83D\uDE00\udbff\udfff", true),
            (r"\ud83d", false),
            (r"\ud83dxude00", false),
            (r"\ud83d\n", false),
            (r"\ud83d\ud83d", false),
            (r"\ude00\ud83d", false),
        ] {
            assert_eq!(value(&format!("\"{text}\"")).is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn bytes_with_a_meaning_are_found_wherever_they_are() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let has_meaning = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(
                        plain(&bytes),
                        if has_meaning { at } else { length },
                        "{byte} at {at} of {length}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_valid_exactly_if_serde_json_reads_it(text in "[\\[\\]{},:\"\\\\ua0-9eE+.n é\\x00-\\x20-]{0,24}") {
            prop_assert_eq!(value(&text).is_ok(), is_json(&text));
        }

        #[test]
        fn almost_valid_text_is_valid_exactly_if_serde_json_reads_it(
            json in "(\\{(\"[a-c\\\\n]{0,3}\" ?: ?(-?[0-9]{1,3}(\\.[0-9])?|\\[\\]|\\{\\}|\"[a-z]{0,12}\"|true|null),?){0,3}\\}|\\[(1,?){0,3}\\])",
        ) {
            prop_assert_eq!(value(&json).is_ok(), is_json(&json));
        }
    }
}
