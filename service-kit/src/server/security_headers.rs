//! The headers that restrict what a browser may do with a page. In a deployment the proxy sets them, for all services;
//! a standalone process sets them itself.

use actix_web::middleware::DefaultHeaders;

/// The Content Security Policy of pages: no script, and nothing from other sites. Markup in a user's text stays harmless even if
/// it is not escaped.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy of the first page, which has one script: it may send forms to the programs of this site.
pub const SCRIPT_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy of a picture, which holds its own style. Browsers apply it only if the picture is opened as a page.
pub(crate) const PICTURE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The name and the value of each header. `nginx/nginx.conf` has the same.
pub const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("Content-Security-Policy", PAGE_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    // the CSRF check needs the referrer on this site: without it, browsers send the `Origin` of a form as `null`
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Returns the middleware that adds the headers to every response.
pub(crate) fn middleware() -> DefaultHeaders {
    SECURITY_HEADERS
        .into_iter()
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}

#[cfg(test)]
mod tests {
    use super::{PICTURE_POLICY, SCRIPT_POLICY, SECURITY_HEADERS};

    #[test]
    fn nginx_sets_the_same_headers() {
        let nginx = include_str!("../../../nginx/nginx.conf").replace('"', "");
        // it takes the policy of an address from a map
        for (address, policy) in [
            ("default", SECURITY_HEADERS[0].1),
            ("~^(GET|HEAD) /user/$", SCRIPT_POLICY),
            ("~/session\\.svg$", PICTURE_POLICY),
        ] {
            assert!(nginx.contains(&format!("{address} {policy};")), "{address}");
        }
        let policy = ("Content-Security-Policy", "$content_security_policy");
        for (name, value) in [policy].iter().chain(&SECURITY_HEADERS[1..]) {
            assert!(nginx.contains(&format!("add_header {name} {value} always;")), "{name}");
        }
    }
}
