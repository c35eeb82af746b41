//! Reads and writes the session cookie.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::{COOKIE, HeaderMap};

use crate::session::id::SessionId;

/// Returns the values of all cookies with this name, in the order of the `Cookie` headers.
///
/// Reads the raw headers, because browsers may send other bytes than UTF-8 (RFC 6265, section 5.4).
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    let pairs = headers
        .get_all(COOKIE)
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii);
    let value = |pair: &'a [u8]| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    pairs.filter_map(value).collect()
}

/// Returns the cookie that holds a session id.
///
/// It has no expiry, so it lasts until the browser closes. The store decides how long the session lasts.
pub(crate) fn issue(name: &str, id: &SessionId, secure: bool) -> Cookie<'static> {
    cookie(name, id.expose(), secure)
}

fn cookie(name: &str, value: &str, secure: bool) -> Cookie<'static> {
    let mut cookie = Cookie::new(name.to_owned(), value.to_owned());
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    if secure {
        cookie.set_secure(true);
    }
    cookie
}

/// Returns the cookie that makes a browser remove its session cookie.
pub(crate) fn removal(name: &str, secure: bool) -> Cookie<'static> {
    let mut cookie = cookie(name, "", secure);
    cookie.set_max_age(Duration::ZERO);
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
