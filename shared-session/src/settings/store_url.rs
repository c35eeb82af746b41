//! `SESSION_STORE`: the URL that selects a backend. A new backend adds one arm to [`StoreUrl::parse`].

#[cfg(feature = "redis")]
use secrecy::SecretString;

/// A valid URL of a store. Neither `Debug` nor an error shows it, because it can hold a password.
#[derive(Clone, Debug)]
pub(crate) enum StoreUrl {
    Memory,
    #[cfg(feature = "redis")]
    Redis(SecretString),
}

impl StoreUrl {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            #[cfg(feature = "redis")]
            Some(("redis", _)) => {
                crate::backend::redis::check_url(url)?;
                Ok(Self::Redis(url.into()))
            }
            #[cfg(not(feature = "redis"))]
            Some(("redis", _)) => Err("redis:// needs the feature `redis` of the crate shared-session".to_owned()),
            _ => Err("unknown URL; it begins with redis:// or is memory:".to_owned()),
        }
    }
}
