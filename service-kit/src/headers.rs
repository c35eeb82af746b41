//! The headers that keep a browser from doing more with a page than showing it. Behind the proxy they are the proxy's
//! to set, once for all services; this is for a process that is the whole application.

use actix_web::middleware::DefaultHeaders;

/// Name and value of each; `nginx/nginx.conf` has the same.
pub const SECURITY: [(&str, &str); 4] = [
    // No script at all, and nothing from elsewhere: what a visitor wrote can do nothing even where it were not escaped.
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    // To this site alone, which the check of forged requests needs: without any, a form's `Origin` is `null`.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

pub(crate) fn security() -> DefaultHeaders {
    SECURITY.into_iter().fold(DefaultHeaders::new(), DefaultHeaders::add)
}

#[cfg(test)]
mod tests {
    use super::SECURITY;

    #[test]
    fn the_proxy_sets_the_same() {
        let nginx = include_str!("../../nginx/nginx.conf").replace('"', "");
        for (name, value) in SECURITY {
            assert!(nginx.contains(&format!("add_header {name} {value} always;")), "{name}");
        }
    }
}
