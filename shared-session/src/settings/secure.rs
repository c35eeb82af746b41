//! [`Secure`]: the values of `SESSION_COOKIE_SECURE`.

/// `SESSION_COOKIE_SECURE`: whether browsers send the session cookie over https only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secure {
    /// The cookie is secure if the request came over https. Behind a proxy this is the scheme in `X-Forwarded-Proto`.
    #[default]
    Auto,
    /// The cookie is always secure.
    Always,
    /// The cookie is never secure.
    Never,
}

impl Secure {
    pub(super) const NAMES: &[(&str, &str)] = &[
        (
            "auto",
            "If the request came over https. Behind a proxy, X-Forwarded-Proto decides",
        ),
        ("always", "Over https only"),
        ("never", "Over http too"),
    ];

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err("unknown value; use auto, always or never".to_owned()),
        }
    }
}
