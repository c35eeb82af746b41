//! A place in a record's bytes, and the small things that stand there.

use std::ops::Range;

use super::text::{Text, hex_byte};

/// Why bytes are no record, and where. Quotes nothing of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub what: &'static str,
    pub at: usize,
}

/// Reads on from a place in the bytes. Every length is checked against what is left; no read goes past the end.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, at: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn rest(&self) -> &'a [u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    pub fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { what, at: self.at })
    }

    /// Steps over `expected`, if that is what stands here.
    pub fn skips(&mut self, expected: &[u8]) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Steps over `expected`, or it is no record.
    pub fn expect(&mut self, expected: &[u8], what: &'static str) -> Result<(), Fault> {
        if self.skips(expected) { Ok(()) } else { self.fault(what) }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: u64) -> Result<Range<usize>, Fault> {
        match usize::try_from(length) {
            Ok(length) if length <= self.rest().len() => {
                self.at += length;
                Ok(self.at - length..self.at)
            }
            _ => self.fault("a length beyond the end"),
        }
    }

    /// The bytes up to the next `end`, which is stepped over.
    pub fn until(&mut self, end: u8) -> Result<Range<usize>, Fault> {
        let Some(length) = self.rest().iter().position(|byte| *byte == end) else {
            return self.fault("no end");
        };
        self.at += length + 1;
        Ok(self.at - 1 - length..self.at - 1)
    }

    /// One digit or more. Wraps around where PHP's own reading of lengths and references does.
    pub fn unsigned(&mut self) -> Result<u64, Fault> {
        let digits = self.digits();
        if digits.is_empty() {
            return self.fault("no number");
        }
        Ok(digits.iter().fold(0_u64, |number, digit| {
            number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
        }))
    }

    /// A sign or none, and one digit or more. Stops at the limits of an `i64`, as PHP does.
    pub fn signed(&mut self) -> Result<i64, Fault> {
        let before = self.at;
        let number = self.lenient();
        if self.at == before || !self.source[self.at - 1].is_ascii_digit() {
            return self.fault("no integer");
        }
        Ok(number)
    }

    /// The count of an array's elements: digits alone, and no wrapping around.
    pub fn count(&mut self) -> Result<u64, Fault> {
        if !self.rest().first().is_some_and(u8::is_ascii_digit) {
            return self.fault("no count");
        }
        Ok(self.lenient().unsigned_abs())
    }

    /// The same as [`signed`](Self::signed) for the counts of objects, where PHP takes no digits at all for 0.
    pub fn lenient(&mut self) -> i64 {
        let negative = self.skips(b"-");
        if !negative {
            self.skips(b"+");
        }
        self.digits().iter().fold(0_i64, |number, digit| {
            let digit = i64::from(digit - b'0');
            let number = number.saturating_mul(10);
            if negative {
                number.saturating_sub(digit)
            } else {
                number.saturating_add(digit)
            }
        })
    }

    pub fn int(&mut self) -> Result<i64, Fault> {
        self.take(2)?;
        let number = self.signed()?;
        self.expect(b";", "no end of an integer")?;
        Ok(number)
    }

    pub fn float(&mut self) -> Result<f64, Fault> {
        self.take(2)?;
        let spelling = *self;
        let at = self.until(b';')?;
        let text = std::str::from_utf8(&self.source[at]).unwrap_or_default();
        match text {
            "NAN" => Ok(f64::NAN),
            "INF" => Ok(f64::INFINITY),
            "-INF" => Ok(f64::NEG_INFINITY),
            // Rust reads what PHP does, and words such as `nan` and `infinity` besides.
            _ if text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) =>
            {
                text.parse().or_else(|_| spelling.fault("no float"))
            }
            _ => spelling.fault("no float"),
        }
    }

    pub fn text(&mut self) -> Result<Text, Fault> {
        let escaped = self.skips(b"S:");
        if !escaped {
            self.take(2)?;
        }
        let length = self.unsigned()?;
        self.expect(b":\"", "no string")?;
        let at = if escaped {
            self.escaped(length)?
        } else {
            self.take(length)?
        };
        self.expect(b"\";", "no end of a string")?;
        Ok(Text { at, escaped })
    }

    /// `length` bytes, each as it is or as a backslash and two digits.
    pub fn escaped(&mut self, length: u64) -> Result<Range<usize>, Fault> {
        let start = self.at();
        for _ in 0..length {
            if !self.skips(b"\\") {
                self.take(1)?;
                continue;
            }
            let digits = self.rest().first_chunk().copied().unwrap_or_default();
            if hex_byte(digits).is_none() {
                return self.fault("no escape");
            }
            self.take(2)?;
        }
        Ok(start..self.at())
    }

    /// `O:3:"Foo":` and `C:3:"Foo":`.
    pub fn class(&mut self) -> Result<Range<usize>, Fault> {
        self.take(2)?;
        let length = self.unsigned()?;
        self.expect(b":\"", "no class")?;
        let class = self.take(length)?;
        self.expect(b"\":", "no end of a class")?;
        if !is_class(&self.source[class.clone()]) || self.source[class.start] == b'\\' {
            return self.fault("no name of a class");
        }
        Ok(class)
    }

    pub fn case(&mut self) -> Result<(Range<usize>, Range<usize>), Fault> {
        self.take(2)?;
        let length = self.unsigned()?;
        self.expect(b":\"", "no enum")?;
        let at = self.take(length)?;
        self.expect(b"\";", "no end of an enum")?;
        let text = &self.source[at.clone()];
        let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        let (class, name) = (&text[..colon], text.get(colon + 1..).unwrap_or_default());
        if !is_class(class) || !is_class(name) || name.contains(&b'\\') {
            return self.fault("no name of an enum's case");
        }
        Ok((at.start..at.start + colon, at.start + colon + 1..at.end))
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        &rest[..length]
    }
}

/// Whether PHP takes the name for a class's: letters, digits, underscores, backslashes and bytes beyond ASCII.
fn is_class(name: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\' | 0x80..);
    !name.is_empty() && name.iter().all(legal)
}
