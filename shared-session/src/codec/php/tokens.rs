//! JSON text as a flat list of values, each with the key that PHP gives it.
//!
//! `serde_json::Value` would not do: it makes floats of large integers, reads some floats a little off, and sorts
//! members.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::text::{canonical_integer, unhex};
use super::{MAX_JSON_DEPTH, TAG};

/// A key of a PHP array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
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
    /// An array of as many elements, which follow.
    Open(usize),
    Close,
}

/// A value, under a key where it stands in an array.
pub(super) type Keyed = (Option<Name>, Token);

/// The values of JSON text in their order, or why PHP could not have them, as half a sentence.
pub(super) fn tokens(json: &str) -> Result<Vec<Keyed>, String> {
    let text: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON".to_owned())?;
    let mut reading = Reading {
        rest: text.get(),
        tokens: Vec::new(),
        open: Vec::new(),
    };
    while let Some(first) = reading.rest.bytes().next() {
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => reading.rest = &reading.rest[1..],
            b'[' | b'{' => reading.open(first == b'[')?,
            b']' | b'}' => reading.close()?,
            b'"' => reading.string()?,
            _ => reading.word()?,
        }
    }
    Ok(reading.tokens)
}

struct Reading<'a> {
    rest: &'a str,
    tokens: Vec<Keyed>,
    open: Vec<Open>,
}

struct Open {
    token: usize,
    count: usize,
    kind: Container,
}

enum Container {
    List,
    Members {
        name: Option<String>,
        taken: HashSet<String>,
    },
}

impl<'a> Reading<'a> {
    /// Steps over the next `length` bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn push(&mut self, token: Token) {
        let key = self.open.last_mut().map(|top| {
            top.count += 1;
            match &mut top.kind {
                Container::List => Name::Int(i64::try_from(top.count - 1).unwrap_or(i64::MAX)),
                Container::Members { name, .. } => array_key(name.take().unwrap_or_default()),
            }
        });
        self.tokens.push((key, token));
    }

    fn open(&mut self, list: bool) -> Result<(), String> {
        if self.open.len() >= MAX_JSON_DEPTH {
            return Err(format!("it nests over {MAX_JSON_DEPTH} deep"));
        }
        self.take(1);
        let token = self.tokens.len();
        self.push(Token::Open(0));
        let kind = if list {
            Container::List
        } else {
            Container::Members {
                name: None,
                taken: HashSet::new(),
            }
        };
        self.open.push(Open { token, count: 0, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.take(1);
        let Some(top) = self.open.pop() else {
            return Err("it is not JSON".to_owned());
        };
        if matches!(top.kind, Container::Members { taken, .. } if taken.contains(TAG)) {
            let value = tagged(&self.tokens[top.token + 1..])?;
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
        let inside = self.rest.bytes().skip(1).position(|byte| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        });
        let spelling = self.take(inside.map_or(self.rest.len(), |inside| inside + 2));
        let text: Cow<str> = serde_json::from_str(spelling).map_err(|_| "a string in it is not Unicode".to_owned())?;
        let text = text.into_owned();
        match self.open.last_mut().map(|top| &mut top.kind) {
            Some(Container::Members { name, taken }) if name.is_none() => {
                if !taken.insert(text.clone()) {
                    return Err("a name stands twice in one object of it".to_owned());
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

/// An integer where there is neither fraction nor exponent, as everybody reads JSON; but `-0` only a float can hold.
fn number(word: &str) -> Result<Token, String> {
    if word != "-0" && !word.contains(['.', 'e', 'E']) {
        let number = word
            .parse()
            .map_err(|_| "an integer in it is beyond 64 bits".to_owned())?;
        return Ok(Token::Int(number));
    }
    match word.parse() {
        Ok(number) if f64::is_finite(number) => Ok(Token::Float(number)),
        _ => Err("a number in it is beyond a float".to_owned()),
    }
}

fn array_key(name: String) -> Name {
    canonical_integer(name.as_bytes()).map_or(Name::Text(name), Name::Int)
}

/// The value that a tag stands for. Objects, enums and references are never made of what a handler sets: it may have come
/// from a visitor, and PHP would run code of the class that it names.
fn tagged(members: &[Keyed]) -> Result<Token, String> {
    let text = |name: &str| {
        let key = Some(Name::Text(name.to_owned()));
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
    value.ok_or_else(|| format!("an object with the member {TAG:?} in it stands for what only PHP can make"))
}
