//! Splits JSON text into a flat list of values, each with its key in PHP.
//!
//! A `serde_json::Value` cannot replace this: it turns large integers into floats and sorts the members of objects.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::text::{canonical_integer, unhex};
use super::{MAX_JSON_DEPTH, TAG};

/// A key of a PHP array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArrayKey {
    Int(i64),
    Text(String),
}

#[derive(Debug, PartialEq)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Vec<u8>),
    /// The start of an array with this number of elements, which follow.
    Open(usize),
    Close,
}

/// A token, with its key if it is an element of an array.
pub(super) type KeyedToken = (Option<ArrayKey>, Token);

/// Returns the values of JSON text in their order, or the reason why PHP cannot represent them, as a clause.
pub(super) fn tokens(json: &str) -> Result<Vec<KeyedToken>, String> {
    let text: &RawValue = serde_json::from_str(json).map_err(|_| "its value is not JSON".to_owned())?;
    let mut tokenizer = Tokenizer {
        rest: text.get(),
        tokens: Vec::new(),
        open: Vec::new(),
    };
    while let Some(first) = tokenizer.rest.bytes().next() {
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => tokenizer.rest = &tokenizer.rest[1..],
            b'[' | b'{' => tokenizer.open(first == b'[')?,
            b']' | b'}' => tokenizer.close()?,
            b'"' => tokenizer.string()?,
            _ => tokenizer.word()?,
        }
    }
    Ok(tokenizer.tokens)
}

struct Tokenizer<'a> {
    rest: &'a str,
    tokens: Vec<KeyedToken>,
    open: Vec<OpenContainer>,
}

/// An array or object whose end has not been read.
struct OpenContainer {
    /// The index of its [`Token::Open`].
    token: usize,
    count: usize,
    kind: Container,
}

enum Container {
    Array,
    Object {
        /// The name of the member whose value comes next.
        name: Option<String>,
        names: HashSet<String>,
    },
}

impl<'a> Tokenizer<'a> {
    /// Skips the next `length` bytes and returns them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn push(&mut self, token: Token) {
        let key = self.open.last_mut().map(|top| {
            top.count += 1;
            match &mut top.kind {
                Container::Array => ArrayKey::Int(i64::try_from(top.count - 1).unwrap_or(i64::MAX)),
                Container::Object { name, .. } => array_key(name.take().unwrap_or_default()),
            }
        });
        self.tokens.push((key, token));
    }

    fn open(&mut self, is_array: bool) -> Result<(), String> {
        if self.open.len() >= MAX_JSON_DEPTH {
            return Err(format!("its value is nested more than {MAX_JSON_DEPTH} levels deep"));
        }
        self.take(1);
        let token = self.tokens.len();
        self.push(Token::Open(0));
        let kind = if is_array {
            Container::Array
        } else {
            Container::Object {
                name: None,
                names: HashSet::new(),
            }
        };
        self.open.push(OpenContainer { token, count: 0, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.take(1);
        let Some(top) = self.open.pop() else {
            return Err("its value is not JSON".to_owned());
        };
        if matches!(top.kind, Container::Object { names, .. } if names.contains(TAG)) {
            let value = tagged_value(&self.tokens[top.token + 1..])?;
            self.tokens.truncate(top.token + 1);
            self.tokens[top.token].1 = value;
        } else {
            self.tokens[top.token].1 = Token::Open(top.count);
            self.tokens.push((None, Token::Close));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        let mut escaped = false;
        let length = self.rest.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        let quoted = self.take(length.map_or(self.rest.len(), |length| length + 2));
        let text: Cow<str> = serde_json::from_str(quoted).map_err(|_| "it contains an invalid string".to_owned())?;
        let text = text.into_owned();
        match self.open.last_mut().map(|top| &mut top.kind) {
            Some(Container::Object { name, names }) if name.is_none() => {
                if !names.insert(text.clone()) {
                    return Err("it contains an object with a repeated name".to_owned());
                }
                *name = Some(text);
            }
            _ => self.push(Token::Text(text.into_bytes())),
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        let length = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
        let word = self.take(length.unwrap_or(self.rest.len()));
        self.push(match word {
            "null" => Token::Null,
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            _ => number(word)?,
        });
        Ok(())
    }
}

/// Returns an integer for a number without a fraction and an exponent, except for `-0`, which only a float can represent.
fn number(word: &str) -> Result<Token, String> {
    if word != "-0" && !word.contains(['.', 'e', 'E']) {
        let number = word
            .parse()
            .map_err(|_| "it contains an integer beyond 64 bits".to_owned())?;
        return Ok(Token::Int(number));
    }
    match word.parse() {
        Ok(number) if f64::is_finite(number) => Ok(Token::Float(number)),
        _ => Err("it contains a number that is too large for a float".to_owned()),
    }
}

fn array_key(name: String) -> ArrayKey {
    canonical_integer(name.as_bytes()).map_or(ArrayKey::Text(name), ArrayKey::Int)
}

/// Returns the value that a tag represents.
///
/// Never creates objects, enum cases or references from a value that a handler sets. The value may come from a user, and
/// PHP would run code of the class that it names.
fn tagged_value(members: &[KeyedToken]) -> Result<Token, String> {
    let text = |name: &str| {
        let key = Some(ArrayKey::Text(name.to_owned()));
        members.iter().find_map(|member| match member {
            (name, Token::Text(text)) if *name == key => std::str::from_utf8(text).ok(),
            _ => None,
        })
    };
    let value = match (text(TAG), text("hex"), text("value"), members.len()) {
        (Some("bytes"), Some(hex), None, 2) => unhex(hex).map(Token::Text),
        (Some("float"), None, Some("INF"), 2) => Some(Token::Float(f64::INFINITY)),
        (Some("float"), None, Some("-INF"), 2) => Some(Token::Float(f64::NEG_INFINITY)),
        (Some("float"), None, Some("NAN"), 2) => Some(Token::Float(f64::NAN)),
        _ => None,
    };
    value.ok_or_else(|| format!("it contains an object with the member {TAG:?}, which only PHP can create"))
}
