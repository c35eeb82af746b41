//! What doors read from a request's headers.

/// Returns whether the browser of a request used https: as the proxy says in `Forwarded` (RFC 7239) or `X-Forwarded-Proto`,
/// or without these headers, as `connection` says.
#[must_use]
pub fn is_https<'a>(
    mut forwarded: impl Iterator<Item = &'a [u8]>,
    x_forwarded_proto: Option<&[u8]>,
    connection: impl FnOnce() -> bool,
) -> bool {
    if let Some(first) = forwarded.next() {
        let headers = [first].into_iter().chain(forwarded);
        let mut pairs = headers.flat_map(|header| header.split(|byte| matches!(byte, b',' | b';')));
        let scheme = pairs.find_map(|pair| {
            let pair = pair.trim_ascii();
            let (name, value) = pair.split_at_checked(b"proto=".len())?;
            name.eq_ignore_ascii_case(b"proto=").then_some(value)
        });
        return scheme.is_some_and(|scheme| {
            let scheme = scheme
                .strip_prefix(b"\"")
                .and_then(|rest| rest.strip_suffix(b"\""))
                .unwrap_or(scheme);
            scheme.eq_ignore_ascii_case(b"https")
        });
    }
    match x_forwarded_proto {
        Some(value) => {
            let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
            first.trim_ascii().eq_ignore_ascii_case(b"https")
        }
        None => connection(),
    }
}

/// Returns whether a request with this method changes nothing (RFC 9110, section 9.2.1), for [`Facts`](super::Facts).
#[must_use]
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// Returns whether a client names JSON before HTML in its `Accept` header (RFC 9110, section 12.5.1).
pub(super) fn prefers_json(accept: &[u8]) -> bool {
    let accept = String::from_utf8_lossy(accept);
    let mut best = (0.0, false);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let is_json = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "application/problem+json" | "application/json" => true,
            "text/html" | "application/xhtml+xml" => false,
            _ => continue,
        };
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok());
        let quality: f32 = quality.unwrap_or(1.0);
        if quality > best.0 {
            best = (quality, is_json);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_a_proxy_decide_about_https() {
        let forwarded = |value: &'static str| is_https([value.as_bytes()].into_iter(), None, || false);
        for https in [
            "proto=https",
            "for=192.0.2.60;proto=https;by=203.0.113.43",
            "for=a; Proto=\"HTTPS\", for=b;proto=http",
        ] {
            assert!(forwarded(https), "{https}");
        }
        for http in [
            "",
            "for=a",
            "proto=http",
            "for=a;proto=http, proto=https",
            "xproto=https",
        ] {
            assert!(!forwarded(http), "{http}");
        }
        let none = || std::iter::empty::<&[u8]>();
        assert!(is_https(none(), Some(b"HTTPS, http"), || false));
        assert!(!is_https(none(), Some(b"http, https"), || true));
        assert!(is_https(none(), None, || true));
        // `Forwarded` is the standard
        assert!(!is_https([&b"proto=http"[..]].into_iter(), Some(b"https"), || true));
    }

    #[test]
    fn client_that_names_json_first_prefers_it() {
        for json in [
            "application/json",
            "Application/Problem+JSON;q=0.5",
            "text/html;q=0.8, application/json",
            "*/*, application/json, text/html",
        ] {
            assert!(prefers_json(json.as_bytes()), "{json}");
        }
        for html in [
            "",
            "*/*",
            "text/html, application/json",
            "application/json;q=0.8, text/html;q=0.9",
            "application/json;q=0",
            "text/html,application/xhtml+xml,*/*;q=0.8",
        ] {
            assert!(!prefers_json(html.as_bytes()), "{html}");
        }
    }
}
