//! Reads and writes the session cookie. It knows no session and no store.

use std::time::Duration;

use actix_web::cookie::time::OffsetDateTime;
use actix_web::cookie::{self, Cookie, time};
use actix_web::http::header::{COOKIE, HeaderMap};

use crate::session::id::SessionId;
use crate::settings::{CookieLifetime, CookieRules, SameSite};

/// Returns the values of all cookies with this name, in the order of the `Cookie` headers.
///
/// Reads the raw headers, because browsers may send other bytes than UTF-8 (RFC 6265, section 5.4).
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers
        .get_all(COOKIE)
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii);
    pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Returns the cookie that holds the id of a session which may last for `lifetime`.
pub(crate) fn issue(rules: &CookieRules, secure: bool, id: &SessionId, lifetime: Duration) -> Cookie<'static> {
    // an id of PHP's may hold a comma, which a cookie may not (RFC 6265, section 4.1.1); PHP encodes it, too
    let mut cookie = cookie(rules, secure, &id.expose().replace(',', "%2C"));
    if rules.lifetime == CookieLifetime::Session {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        cookie.set_max_age(time::Duration::seconds(seconds));
    }
    cookie
}

/// Returns the cookie that makes a browser remove its session cookie. Browsers match it by name, domain and path.
pub(crate) fn removal(rules: &CookieRules, secure: bool) -> Cookie<'static> {
    let mut cookie = cookie(rules, secure, "");
    cookie.set_max_age(time::Duration::ZERO);
    cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
    cookie
}

fn cookie(rules: &CookieRules, secure: bool, value: &str) -> Cookie<'static> {
    let mut cookie = Cookie::new(rules.name.clone(), value.to_owned());
    if let Some(domain) = &rules.domain {
        cookie.set_domain(domain.clone());
    }
    cookie.set_path(rules.path.clone());
    cookie.set_http_only(true);
    cookie.set_same_site(match rules.same_site {
        SameSite::Strict => cookie::SameSite::Strict,
        SameSite::Lax => cookie::SameSite::Lax,
        SameSite::None => cookie::SameSite::None,
    });
    if secure {
        cookie.set_secure(true);
    }
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> Vec<&'a [u8]> {
        super::values(headers, name).collect()
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
            assert_eq!(values(&headers(&[one]), "sid"), [b"x"], "{one:?}");
        }
        assert_eq!(values(&headers(&[b"a=1", b"sid=x"]), "sid"), [b"x"]);
        assert_eq!(
            values(&headers(&[b"sid=x; sid=y", b"sid="]), "sid"),
            [&b"x"[..], b"y", b""]
        );
    }

    #[test]
    fn other_names_are_ignored() {
        assert!(values(&headers(&[]), "sid").is_empty());
        assert!(values(&headers(&[b"sid", b"xsid=1; sidx=2"]), "sid").is_empty());
    }
}
