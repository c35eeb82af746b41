//! Reads and writes the session cookie.

use std::fmt::Write;
use std::time::Duration;

use crate::session::id::SessionId;
use crate::settings::{CookieLifetime, CookieRules, SameSite};

/// Returns the values of all cookies with this name, in the order of the `Cookie` headers.
///
/// Reads bytes, because browsers may send others than UTF-8 (RFC 6265, section 5.4).
pub(super) fn values<'a>(headers: impl Iterator<Item = &'a [u8]>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers
        .flat_map(|header| header.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Returns the cookie that holds the id of a session which may last for `lifetime`.
pub(super) fn issue(rules: &CookieRules, is_secure: bool, id: &SessionId, lifetime: Duration) -> String {
    // an id of PHP's may hold a comma, which a cookie may not (RFC 6265, section 4.1.1); PHP encodes it, too
    let mut cookie = cookie(rules, is_secure, &id.expose().replace(',', "%2C"));
    if rules.lifetime == CookieLifetime::Session || id.is_remembered() {
        let _ = write!(cookie, "; Max-Age={}", lifetime.as_secs());
    }
    cookie
}

/// Returns the cookie that makes a browser remove its session cookie. Browsers match it by name, domain and path.
pub(super) fn removal(rules: &CookieRules, is_secure: bool) -> String {
    cookie(rules, is_secure, "") + "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
}

/// Returns a `Set-Cookie` header without the cookie's age. No attribute needs escaping, because the settings are checked.
fn cookie(rules: &CookieRules, is_secure: bool, value: &str) -> String {
    let same_site = match rules.same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    };
    let mut cookie = format!("{}={value}; HttpOnly; SameSite={same_site}", rules.name);
    if is_secure {
        cookie.push_str("; Secure");
    }
    cookie.extend(["; Path=", &rules.path]);
    if let Some(domain) = &rules.domain {
        cookie.extend(["; Domain=", domain]);
    }
    cookie
}

#[cfg(test)]
mod tests {
    fn values<'a>(headers: &[&'a [u8]]) -> Vec<&'a [u8]> {
        super::values(headers.iter().copied(), "sid").collect()
    }

    #[test]
    fn values_of_the_name_are_found() {
        for one in [
            &b"sid=x"[..],
            b"a=1; sid=x",
            b"sid=x;",
            b" sid=x ;b",
            b"a=\xff\xfe; sid=x",
            b"Sid=y; ssid=z; sid=x",
        ] {
            assert_eq!(values(&[one]), [b"x"], "{one:?}");
        }
        assert_eq!(values(&[b"a=1", b"sid=x"]), [b"x"]);
        assert_eq!(values(&[b"sid=x; sid=y", b"sid="]), [&b"x"[..], b"y", b""]);
    }

    #[test]
    fn other_names_are_ignored() {
        assert!(values(&[]).is_empty());
        assert!(values(&[b"sid", b"xsid=1; sidx=2"]).is_empty());
    }
}
