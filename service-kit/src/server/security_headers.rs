//! The headers that restrict what a browser may do with a page. In a deployment the proxy sets them, for all services;
//! a standalone process sets them itself.

use actix_web::middleware::DefaultHeaders;

/// The name and the value of each header. `nginx/nginx.conf` has the same.
pub const SECURITY_HEADERS: [(&str, &str); 6] = [
    // no script, and nothing from other sites: markup in a user's text stays harmless even if it is not escaped
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
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
    use super::SECURITY_HEADERS;

    #[test]
    fn nginx_sets_the_same_headers() {
        let nginx = include_str!("../../../nginx/nginx.conf").replace('"', "");
        for (name, value) in SECURITY_HEADERS {
            assert!(nginx.contains(&format!("add_header {name} {value} always;")), "{name}");
        }
    }
}
