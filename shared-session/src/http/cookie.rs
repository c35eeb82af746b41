//! Reads and writes the session cookie.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::{COOKIE, HeaderMap};

use crate::session::id::SessionId;

/// The session cookies of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// The request has no session cookie.
    None,
    /// The request has one session cookie, with this value.
    One(&'a [u8]),
    /// The request has several. None is used, because any of them may come from another site.
    Several,
}

/// Returns the session cookies of a request.
///
/// It parses the raw headers, because browsers may send bytes that are not UTF-8 or not well-formed (RFC 6265, section
/// 5.4).
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Received<'a> {
    let pairs = headers
        .get_all(COOKIE)
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii);
    let mut received = Received::None;
    for pair in pairs {
        let Some(value) = pair
            .strip_prefix(name.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
        else {
            continue;
        };
        match received {
            Received::None => received = Received::One(value),
            Received::One(_) | Received::Several => return Received::Several,
        }
    }
    received
}

/// Returns the cookie that holds a session id.
///
/// It has no expiry, so it lasts until the browser closes. The store decides how long the session lasts.
pub(crate) fn issue(name: &str, id: &SessionId, secure: bool) -> Cookie<'static> {
    let mut cookie = Cookie::new(name.to_owned(), id.expose().to_owned());
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
    let mut cookie = issue(name, &SessionId::none(), secure);
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
    fn one_cookie_is_found_among_others() {
        for one in [
            &b"sid=x"[..],
            b"a=1; sid=x",
            b"sid=x;",
            b" sid=x ;b",
            b"a=\xff\xfe; sid=x",
            b"Sid=y; ssid=z; sid=x",
        ] {
            assert_eq!(read(&headers(&[one]), "sid"), Received::One(b"x"), "{one:?}");
        }
        assert_eq!(read(&headers(&[b"a=1", b"sid=x"]), "sid"), Received::One(b"x"));
    }

    #[test]
    fn no_cookie_and_several_cookies_are_distinguished() {
        assert_eq!(read(&headers(&[]), "sid"), Received::None);
        assert_eq!(read(&headers(&[b"sid", b"xsid=1; sidx=2"]), "sid"), Received::None);
        assert_eq!(read(&headers(&[b"sid=x; sid=x"]), "sid"), Received::Several);
        assert_eq!(read(&headers(&[b"sid=x", b"sid=y"]), "sid"), Received::Several);
    }
}
