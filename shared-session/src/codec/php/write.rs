//! Serializes JSON values as PHP's `serialize` does.

use super::text::canonical_integer;
use super::tokens::{ArrayKey, Token, tokens};

/// Appends the value of JSON text and returns the number of slots that it takes, or the reason why PHP cannot represent it,
/// as a clause.
pub(super) fn value(json: &str, out: &mut Vec<u8>) -> Result<usize, String> {
    let tokens = tokens(json)?;
    let mut slots = 0;
    for (key, token) in &tokens {
        match key {
            Some(ArrayKey::Int(key)) => int(*key, out),
            Some(ArrayKey::Text(key)) => string(key.as_bytes(), out),
            None => {}
        }
        slots += usize::from(*token != Token::Close);
        match token {
            Token::Null => out.extend_from_slice(b"N;"),
            Token::Bool(value) => out.extend_from_slice(if *value { b"b:1;" } else { b"b:0;" }),
            Token::Int(value) => int(*value, out),
            Token::Float(value) => out.extend_from_slice(format!("d:{};", float(*value)).as_bytes()),
            Token::Text(value) => string(value, out),
            Token::Open(count) => array_start(*count, out),
            Token::Close => out.push(b'}'),
        }
    }
    Ok(slots)
}

/// Appends the key of an array, or the name of a field in `php_serialize`.
pub(super) fn key(name: &[u8], out: &mut Vec<u8>) {
    match canonical_integer(name) {
        Some(key) => int(key, out),
        None => string(name, out),
    }
}

/// Appends the start of an array.
pub(super) fn array_start(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("a:{count}:{{").as_bytes());
}

fn int(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("i:{value};").as_bytes());
}

fn string(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("s:{}:\"", value.len()).as_bytes());
    out.extend_from_slice(value);
    out.extend_from_slice(b"\";");
}

/// Returns a float as PHP writes it with `serialize_precision=-1`, its default since PHP 7.1: the fewest digits that
/// identify the float, in scientific notation if the exponent is less than -4 or greater than 16.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NAN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}INF");
    }
    let (digits, exponent) = shortest_decimal(value.abs());
    let (first, rest) = digits.split_at(digits.len().min(1));
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    match exponent {
        _ if digits.is_empty() => format!("{sign}0"),
        ..-4 | 17.. => {
            let rest = if rest.is_empty() { "0" } else { rest };
            format!("{sign}{first}.{rest}E{exponent:+}")
        }
        -4..0 => format!(
            "{sign}0.{digits:0>width$}",
            width = digits.len() + exponent.unsigned_abs() as usize - 1
        ),
        _ if digits.len() <= point => format!("{sign}{digits:0<point$}"),
        _ => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
    }
}

/// Returns the fewest digits that identify a float, and the exponent of the first one.
///
/// Of two shortest decimals that are equally close, PHP takes the one with the even last digit. `serde_json` does the
/// same; `format!` does not.
fn shortest_decimal(value: f64) -> (String, i32) {
    let text = serde_json::Value::from(value).to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let before_point = significant.len() as i32 - fraction.len() as i32;
    let exponent = exponent.parse::<i32>().unwrap_or_default() + before_point - 1;
    (significant.trim_end_matches('0').to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_php_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (10.0, "10"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "1.0E+17"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568E+17"),
            (1e25, "1.0E+25"),
            (1.5e25, "1.5E+25"),
            (1e100, "1.0E+100"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1.0E-5"),
            (1e-7, "1.0E-7"),
            (1.25e-10, "1.25E-10"),
            (5e-324, "5.0E-324"),
            (f64::MAX, "1.7976931348623157E+308"),
            (846_913_708_180_930.0 + 0.25, "846913708180930.2"),
            (-0.000_123, "-0.000123"),
            (120.0, "120"),
            (12_345.678, "12345.678"),
            (f64::NEG_INFINITY, "-INF"),
            (f64::NAN, "NAN"),
        ] {
            assert_eq!(float(value), expected);
        }
    }
}
