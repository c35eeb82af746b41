//! Strings and array keys. PHP's strings are bytes, JSON's are Unicode.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// A string of a record.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The bytes between the quotes.
    pub span: Range<usize>,
    /// Whether the bytes contain escapes `\xx`, as in `S:1:"\61";`.
    pub escaped: bool,
}

impl Text {
    pub fn plain(span: Range<usize>) -> Self {
        Self { span, escaped: false }
    }

    /// Returns the string's bytes, without escapes.
    pub fn bytes<'a>(&self, source: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = source.get(self.span.clone()).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((first, after)) = rest.split_first() {
            let escape = after.first_chunk().and_then(|digits| hex_byte(*digits));
            rest = match escape {
                Some(byte) if *first == b'\\' => {
                    bytes.push(byte);
                    &after[2..]
                }
                _ => {
                    bytes.push(*first);
                    after
                }
            };
        }
        Cow::Owned(bytes)
    }
}

/// The key of a value: an array's key, an object's property, or a field's name.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Int(i64),
    Text(Text),
}

/// The keys of one array so far.
#[derive(Default)]
pub(super) struct Keys<'a> {
    /// The keys `0..run` have occurred. They are not in `ints`, so that a list needs no set.
    run: i64,
    ints: HashSet<i64>,
    texts: HashSet<Cow<'a, [u8]>>,
}

impl<'a> Keys<'a> {
    /// Adds a key. Returns whether it is new.
    pub fn add(&mut self, key: &Key, source: &'a [u8]) -> bool {
        match key {
            Key::Int(key) if *key == self.run && !self.ints.contains(key) => {
                self.run += 1;
                true
            }
            Key::Int(key) => !(0..self.run).contains(key) && self.ints.insert(*key),
            Key::Text(text) => self.texts.insert(text.bytes(source)),
        }
    }
}

/// Returns the integer into which PHP converts an array key such as `8` or `-5`. PHP leaves `08`, `-0` and integers
/// beyond 64 bits as strings.
pub(super) fn canonical_integer(key: &[u8]) -> Option<i64> {
    let digits = key.strip_prefix(b"-").unwrap_or(key);
    let canonical = match digits {
        [b'0'] => key.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(key).ok()?.parse().ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the bytes that hexadecimal text encodes, or `None` for any other text.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| hex_byte(*pair)).collect()
}

pub(super) fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

/// Returns text as a JSON string, with the same escapes as `serde_json` writes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
