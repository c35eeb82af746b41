//! The attributes of the session cookie, and the one place that checks whether they work together.

use super::{Secure, Settings, SettingsError};

/// `SESSION_COOKIE_SAME_SITE`: whether browsers send the session cookie with requests that come from other sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Never. A user who follows a link from another site appears signed out on the first page.
    Strict,
    /// With links from other sites, and not with their forms, frames and scripts.
    #[default]
    Lax,
    /// Always. The cookie is then secure, because browsers refuse it otherwise, and the application has to prevent
    /// forged requests itself.
    None,
}

impl SameSite {
    pub(super) const NAMES: &[(&str, &str)] = &[
        ("strict", "Never from other sites, not even with a link"),
        ("lax", "From other sites with links only"),
        ("none", "From other sites too, over https only"),
    ];

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "strict" => Ok(Self::Strict),
            "lax" => Ok(Self::Lax),
            "none" => Ok(Self::None),
            _ => Err("unknown value; use strict, lax or none".to_owned()),
        }
    }
}

/// `SESSION_COOKIE_LIFETIME`: how long a browser keeps the session cookie. The store decides how long the session lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieLifetime {
    /// Until the browser closes: the cookie has no `Max-Age`.
    #[default]
    Browser,
    /// Until the session's lifetime ends. The cookie is sent whenever the session gets an id or its lifetime
    /// restarts, with the lifetime's remaining seconds as `Max-Age`.
    ///
    /// No other response repeats it. A response that only extended the idle timeout could arrive after the one that
    /// renewed the session, and restore the old id in the browser.
    Session,
}

impl CookieLifetime {
    pub(super) const NAMES: &[(&str, &str)] = &[
        ("browser", "Until the browser closes"),
        ("session", "Until the session's lifetime ends"),
    ];

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "browser" => Ok(Self::Browser),
            "session" => Ok(Self::Session),
            _ => Err("unknown value; use browser or session".to_owned()),
        }
    }
}

/// The session cookie. Its attributes work together.
#[derive(Clone, Debug)]
pub(crate) struct CookieRules {
    pub name: String,
    pub domain: Option<String>,
    pub path: String,
    pub same_site: SameSite,
    pub secure: Secure,
    pub lifetime: CookieLifetime,
}

impl Settings {
    /// Returns the cookie's name: the one that was set, or the default. The default is `PHPSESSID` in PHP's formats. In the
    /// format `json` it is `sid`, or `__Host-sid` if the cookie is always secure, has no domain and the path `/`.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        let is_host_only =
            self.cookie_secure() == Secure::Always && self.cookie_domain().is_none() && self.cookie_path() == "/";
        self.own_cookie_name()
            .unwrap_or(self.format().cookie_name(is_host_only))
    }

    /// Returns the session cookie.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if browsers would refuse the cookie, because its attributes contradict each other.
    pub(crate) fn cookie_rules(&self) -> Result<CookieRules, SettingsError> {
        let (name, secure, same_site) = (self.cookie_name(), self.cookie_secure(), self.cookie_same_site());
        // browsers compare the prefix without regard to case (RFC 6265bis, section 5.7)
        let has_prefix = |prefix: &str| {
            let start = name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let error = |variable, reason: &str| Err(SettingsError::new(variable, reason));
        if has_prefix("__Host-") {
            if self.cookie_domain().is_some() {
                return error(
                    "SESSION_COOKIE_NAME",
                    "a name that begins with __Host- permits no SESSION_COOKIE_DOMAIN",
                );
            }
            if self.cookie_path() != "/" {
                return error(
                    "SESSION_COOKIE_NAME",
                    "a name that begins with __Host- needs SESSION_COOKIE_PATH=/",
                );
            }
        }
        let (is_prefixed, goes_everywhere) = (
            has_prefix("__Host-") || has_prefix("__Secure-"),
            same_site == SameSite::None,
        );
        if secure == Secure::Never && is_prefixed {
            return error(
                "SESSION_COOKIE_NAME",
                "a name that begins with __Host- or __Secure- needs another SESSION_COOKIE_SECURE than never",
            );
        }
        if secure == Secure::Never && goes_everywhere {
            return error(
                "SESSION_COOKIE_SAME_SITE",
                "none needs another SESSION_COOKIE_SECURE than never",
            );
        }
        Ok(CookieRules {
            name: name.to_owned(),
            domain: self.cookie_domain().map(str::to_owned),
            path: self.cookie_path().to_owned(),
            same_site,
            // browsers refuse it without
            secure: if is_prefixed || goes_everywhere {
                Secure::Always
            } else {
                secure
            },
            lifetime: self.cookie_lifetime(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "php")]
    use crate::format::Format;

    fn of(name: &str, secure: Secure) -> Settings {
        Settings::default()
            .with_cookie_name(name)
            .unwrap()
            .with_cookie_secure(secure)
    }

    #[test]
    fn attributes_that_contradict_each_other_are_refused() {
        let none = Settings::default().with_cookie_same_site(SameSite::None);
        for (variable, settings) in [
            ("SESSION_COOKIE_NAME", of("__Host-sid", Secure::Never)),
            ("SESSION_COOKIE_NAME", of("__Secure-sid", Secure::Never)),
            ("SESSION_COOKIE_NAME", of("__sECURE-sid", Secure::Never)),
            (
                "SESSION_COOKIE_NAME",
                of("__Host-sid", Secure::Auto)
                    .with_cookie_domain("example.com")
                    .unwrap(),
            ),
            (
                "SESSION_COOKIE_NAME",
                of("__hOST-sid", Secure::Always).with_cookie_path("/app").unwrap(),
            ),
            ("SESSION_COOKIE_SAME_SITE", none.with_cookie_secure(Secure::Never)),
        ] {
            let error = settings.cookie_rules().unwrap_err().to_string();
            assert!(error.contains(&format!("({variable}): ")), "{error}");
            let built = crate::SessionManager::new(&settings).map(|_| ());
            assert_eq!(built.unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn prefixes_and_same_site_none_force_secure() {
        for (settings, secure) in [
            (of("__Host-sid", Secure::Auto), Secure::Always),
            (of("__Secure-sid", Secure::Auto), Secure::Always),
            (
                of("__Secure-sid", Secure::Auto)
                    .with_cookie_domain("example.com")
                    .unwrap(),
                Secure::Always,
            ),
            (
                of("sid", Secure::Auto).with_cookie_same_site(SameSite::None),
                Secure::Always,
            ),
            (of("__Hostsid", Secure::Auto), Secure::Auto),
            (of("sid__Host-", Secure::Never), Secure::Never),
        ] {
            assert_eq!(settings.cookie_rules().unwrap().secure, secure, "{settings:?}");
        }
    }

    #[test]
    fn default_name_has_the_strongest_prefix_that_works() {
        let always = || Settings::default().with_cookie_secure(Secure::Always);
        for (settings, name) in [
            (Settings::default(), "sid"),
            (always(), "__Host-sid"),
            (always().with_cookie_domain("example.com").unwrap(), "sid"),
            (always().with_cookie_path("/app").unwrap(), "sid"),
            (always().with_cookie_name("id").unwrap(), "id"),
            #[cfg(feature = "php")]
            (always().with_format(Format::Php), "PHPSESSID"),
        ] {
            assert_eq!(settings.cookie_name(), name);
            assert_eq!(settings.cookie_rules().unwrap().name, name);
        }
    }
}
