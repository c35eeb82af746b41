//! Reading and writing the session cookie.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::{COOKIE, HeaderMap};

use crate::session::id::SessionId;

/// What a request's `Cookie` headers say under the session cookie's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// No such cookie.
    None,
    /// One, with this value.
    One(&'a [u8]),
    /// Several: which of them is the session's cannot be told, so none is.
    Several,
}

/// Reads the raw headers, as what browsers send may be neither UTF-8 nor well-formed (RFC 6265, section 5.4).
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

/// The cookie that gives a browser its session. It lasts as long as the browser runs; how long the session lasts is
/// the store's to say.
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

/// The cookie that takes it away.
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
    fn finds_the_one_cookie_of_the_name() {
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
    fn no_cookie_and_several_are_told_apart() {
        assert_eq!(read(&headers(&[]), "sid"), Received::None);
        assert_eq!(read(&headers(&[b"sid", b"xsid=1; sidx=2"]), "sid"), Received::None);
        assert_eq!(read(&headers(&[b"sid=x; sid=x"]), "sid"), Received::Several);
        assert_eq!(read(&headers(&[b"sid=x", b"sid=y"]), "sid"), Received::Several);
    }
}
