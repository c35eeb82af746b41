//! [`Cursor`]: reads the tokens of PHP's serialization format, such as lengths, numbers and strings.

use std::ops::Range;

use super::text::{Text, hex_byte};

/// A syntax error in a record. It quotes nothing of the record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub message: &'static str,
    pub offset: usize,
}

/// A position in a record. Every length is checked against the remaining bytes, so no read goes past the end.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    source: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, offset: 0 }
    }

    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the remaining bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.source.get(self.offset..).unwrap_or_default()
    }

    pub fn error<T>(&self, message: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            message,
            offset: self.offset,
        })
    }

    /// Skips `expected` if it comes next. Returns whether it did.
    pub fn eat(&mut self, expected: &[u8]) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.offset += expected.len();
        }
        found
    }

    /// Skips `expected`, or returns an error with `message` if it does not come next.
    pub fn expect(&mut self, expected: &[u8], message: &'static str) -> Result<(), SyntaxError> {
        if self.eat(expected) {
            Ok(())
        } else {
            self.error(message)
        }
    }

    /// Skips `length` bytes and returns where they are.
    pub fn take(&mut self, length: u64) -> Result<Range<usize>, SyntaxError> {
        match usize::try_from(length) {
            Ok(length) if length <= self.rest().len() => {
                self.offset += length;
                Ok(self.offset - length..self.offset)
            }
            _ => self.error("length beyond the end"),
        }
    }

    /// Skips the bytes before the next `end`, and `end` itself. Returns where the bytes before it are.
    pub fn take_until(&mut self, end: u8) -> Result<Range<usize>, SyntaxError> {
        let Some(length) = self.rest().iter().position(|byte| *byte == end) else {
            return self.error("missing end");
        };
        self.offset += length + 1;
        Ok(self.offset - 1 - length..self.offset - 1)
    }

    /// Reads one or more digits. The number wraps around, as PHP's lengths and references do.
    pub fn unsigned(&mut self) -> Result<u64, SyntaxError> {
        let digits = self.digits();
        if digits.is_empty() {
            return self.error("missing number");
        }
        Ok(digits.iter().fold(0_u64, |number, digit| {
            number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
        }))
    }

    /// Reads an optional sign and one or more digits. The number saturates at the limits of `i64`, as PHP's integers do.
    pub fn signed(&mut self) -> Result<i64, SyntaxError> {
        let start = self.offset;
        let number = self.optional_signed();
        if self.offset == start || !self.source[self.offset - 1].is_ascii_digit() {
            return self.error("missing integer");
        }
        Ok(number)
    }

    /// Reads the number of an array's elements: one or more digits, which do not wrap around.
    pub fn count(&mut self) -> Result<u64, SyntaxError> {
        if !self.rest().first().is_some_and(u8::is_ascii_digit) {
            return self.error("missing count");
        }
        Ok(self.optional_signed().unsigned_abs())
    }

    /// Reads an integer like [`signed`](Self::signed), and no digits as 0, as PHP reads the counts of objects.
    pub fn optional_signed(&mut self) -> i64 {
        let negative = self.eat(b"-");
        if !negative {
            self.eat(b"+");
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

    /// Reads `i:5;`.
    pub fn int(&mut self) -> Result<i64, SyntaxError> {
        self.take(2)?;
        let number = self.signed()?;
        self.expect(b";", "missing end of an integer")?;
        Ok(number)
    }

    /// Reads `d:0.5;`.
    pub fn float(&mut self) -> Result<f64, SyntaxError> {
        self.take(2)?;
        let start = *self;
        let span = self.take_until(b';')?;
        let text = std::str::from_utf8(&self.source[span]).unwrap_or_default();
        match text {
            "NAN" => Ok(f64::NAN),
            "INF" => Ok(f64::INFINITY),
            "-INF" => Ok(f64::NEG_INFINITY),
            // Rust parses what PHP parses, and also words such as `nan` and `infinity`
            _ if text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) =>
            {
                text.parse().or_else(|_| start.error("invalid float"))
            }
            _ => start.error("invalid float"),
        }
    }

    /// Reads `s:1:"a";` or `S:1:"\61";`.
    pub fn text(&mut self) -> Result<Text, SyntaxError> {
        let escaped = self.eat(b"S:");
        if !escaped {
            self.take(2)?;
        }
        let length = self.unsigned()?;
        self.expect(b":\"", "missing start of a string")?;
        let span = if escaped {
            self.escaped(length)?
        } else {
            self.take(length)?
        };
        self.expect(b"\";", "missing end of a string")?;
        Ok(Text { span, escaped })
    }

    /// Skips `length` bytes, each of them itself or an escape of a backslash and two digits.
    fn escaped(&mut self, length: u64) -> Result<Range<usize>, SyntaxError> {
        let start = self.offset;
        for _ in 0..length {
            if !self.eat(b"\\") {
                self.take(1)?;
                continue;
            }
            let digits = self.rest().first_chunk().copied().unwrap_or_default();
            if hex_byte(digits).is_none() {
                return self.error("invalid escape");
            }
            self.take(2)?;
        }
        Ok(start..self.offset)
    }

    /// Reads `O:3:"Foo":` or `C:3:"Foo":`, and returns where the class's name is.
    pub fn class(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.take(2)?;
        let length = self.unsigned()?;
        self.expect(b":\"", "missing start of a class name")?;
        let class = self.take(length)?;
        self.expect(b"\":", "missing end of a class name")?;
        if !is_class_name(&self.source[class.clone()]) || self.source[class.start] == b'\\' {
            return self.error("invalid class name");
        }
        Ok(class)
    }

    /// Reads `E:11:"Suit:Hearts";`, and returns where the names of the enum and of the case are.
    pub fn enum_case(&mut self) -> Result<(Range<usize>, Range<usize>), SyntaxError> {
        self.take(2)?;
        let length = self.unsigned()?;
        self.expect(b":\"", "missing start of an enum case")?;
        let span = self.take(length)?;
        self.expect(b"\";", "missing end of an enum case")?;
        let text = &self.source[span.clone()];
        let colon = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        let (class, case) = (&text[..colon], text.get(colon + 1..).unwrap_or_default());
        if !is_class_name(class) || !is_class_name(case) || case.contains(&b'\\') {
            return self.error("invalid enum case");
        }
        Ok((span.start..span.start + colon, span.start + colon + 1..span.end))
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.offset += length;
        &rest[..length]
    }
}

/// Returns whether PHP accepts a class name: letters, digits, underscores, backslashes and bytes outside ASCII.
fn is_class_name(name: &[u8]) -> bool {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\' | 0x80..);
    !name.is_empty() && name.iter().all(is_valid)
}
