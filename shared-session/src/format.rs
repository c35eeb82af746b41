//! [`Format`]: which codec, cookie name and ids belong together. A new format adds one arm to each function.

use std::sync::Arc;

use crate::codec::Codec;
use crate::codec::json::Json;
#[cfg(feature = "php")]
use crate::codec::php::{Handler, Php};
use crate::session::id::IdScheme;

/// `SESSION_FORMAT`: how records are encoded, and which cookie and ids go with it.
///
/// The PHP formats need the feature `php`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object. The store holds nothing that an id could be made from.
    #[default]
    Json,
    /// PHP's own session records, with `session.serialize_handler=php`. Cookie, key and id are PHP's too.
    #[cfg(feature = "php")]
    Php,
    /// PHP's own session records, with `session.serialize_handler=php_serialize`.
    #[cfg(feature = "php")]
    PhpSerialize,
}

impl Format {
    pub(crate) const NAMES: &[(&str, &str)] = &[
        ("json", "One JSON object"),
        #[cfg(feature = "php")]
        ("php", "PHP's own records, with session.serialize_handler=php"),
        #[cfg(feature = "php")]
        (
            "php_serialize",
            "PHP's own records, with session.serialize_handler=php_serialize",
        ),
    ];

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            #[cfg(feature = "php")]
            "php" => Ok(Self::Php),
            #[cfg(feature = "php")]
            "php_serialize" => Ok(Self::PhpSerialize),
            #[cfg(not(feature = "php"))]
            "php" | "php_serialize" => Err(format!(
                "the format {text} needs the feature `php` of the crate shared-session"
            )),
            _ => Err("unknown format; use json, php or php_serialize".to_owned()),
        }
    }

    /// Returns the codec of this format.
    #[must_use]
    pub fn codec(self) -> Arc<dyn Codec> {
        match self {
            Self::Json => Arc::new(Json),
            #[cfg(feature = "php")]
            Self::Php => Arc::new(Php::new(Handler::Php)),
            #[cfg(feature = "php")]
            Self::PhpSerialize => Arc::new(Php::new(Handler::PhpSerialize)),
        }
    }

    /// Returns the name of the session cookie if the settings give none. `is_host_only` says whether the cookie may have
    /// the prefix `__Host-`. PHP's formats keep PHP's name.
    pub(crate) fn cookie_name(self, is_host_only: bool) -> &'static str {
        match self {
            Self::Json if is_host_only => "__Host-sid",
            Self::Json => "sid",
            #[cfg(feature = "php")]
            Self::Php | Self::PhpSerialize => "PHPSESSID",
        }
    }

    /// Returns the ids of this format.
    #[doc(hidden)]
    #[must_use]
    pub fn ids(self) -> IdScheme {
        match self {
            Self::Json => IdScheme::SelectorVerifier,
            #[cfg(feature = "php")]
            Self::Php | Self::PhpSerialize => IdScheme::Php,
        }
    }
}
