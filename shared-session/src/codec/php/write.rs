//! Writes values as PHP's `serialize` does.

use super::text::canonical_integer;
use super::tokens::{Name, Token, tokens};

/// Appends JSON text as PHP, and returns how many slots it takes; or says why not, as half a sentence.
pub(super) fn value(json: &str, out: &mut Vec<u8>) -> Result<usize, String> {
    let tokens = tokens(json)?;
    let mut slots = 0;
    for (key, token) in &tokens {
        match key {
            Some(Name::Int(key)) => int(*key, out),
            Some(Name::Text(key)) => string(key.as_bytes(), out),
            None => {}
        }
        slots += usize::from(*token != Token::Close);
        match token {
            Token::Null => out.extend_from_slice(b"N;"),
            Token::Bool(value) => out.extend_from_slice(if *value { b"b:1;" } else { b"b:0;" }),
            Token::Int(value) => int(*value, out),
            Token::Float(value) => out.extend_from_slice(format!("d:{};", float(*value)).as_bytes()),
            Token::Text(value) => string(value, out),
            Token::Open(count) => array(*count, out),
            Token::Close => out.push(b'}'),
        }
    }
    Ok(slots)
}

/// An array's key, or a field's name in `php_serialize`.
pub(super) fn key(name: &[u8], out: &mut Vec<u8>) {
    match canonical_integer(name) {
        Some(key) => int(key, out),
        None => string(name, out),
    }
}

/// The beginning of an array.
pub(super) fn array(count: usize, out: &mut Vec<u8>) {
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

/// A float in PHP's spelling with `serialize_precision=-1`, its default since PHP 7.1: the fewest digits that mean this
/// float, with an exponent where the point would stand over 17 digits to the right or over 3 zeros to the left.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NAN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..17).contains(&exponent) {
        return value.to_string();
    }
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelled_as_php_spells_them() {
        for (value, spelling) in [
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
            (f64::NEG_INFINITY, "-INF"),
            (f64::NAN, "NAN"),
        ] {
            assert_eq!(float(value), spelling);
        }
    }
}
