//! Strings, keys and names: PHP's are bytes, JSON's are Unicode.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// A string of a record: where its bytes stand, and whether they are spelled with `\xx` as in `S:1:"\61";`.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub at: Range<usize>,
    pub escaped: bool,
}

impl Text {
    pub fn plain(at: Range<usize>) -> Self {
        Self { at, escaped: false }
    }

    pub fn bytes<'a>(&self, source: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = source.get(self.at.clone()).unwrap_or_default();
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

/// What a value stands under: an array's key, an object's property, or a field's name.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Int(i64),
    Text(Text),
}

/// The keys that one array has had so far.
#[derive(Default)]
pub(super) struct Keys<'a> {
    /// 0, 1, 2 … up to this one, as lists have them; kept apart, so that a list costs nothing.
    run: i64,
    ints: HashSet<i64>,
    texts: HashSet<Cow<'a, [u8]>>,
}

impl<'a> Keys<'a> {
    /// Whether the key is new.
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

/// The integer that PHP makes of an array's key such as `8` or `-5`, but not of `08`, `-0` or one beyond 64 bits.
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
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The bytes that [`hex`] wrote; of any other text, none.
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

/// Text as JSON, in `serde_json`'s spelling.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
