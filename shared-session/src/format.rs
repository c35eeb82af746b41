//! The formats a store can be kept in: which codec, which cookie, which ids. A new format is one arm here.

use std::sync::Arc;

use clap::ValueEnum;

use crate::codec::Codec;
use crate::codec::json::Json;
use crate::codec::php::{Handler, Php};
use crate::session::id::IdRules;

/// `SESSION_FORMAT`: how records are spelled, and what goes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object; the key is a hash of the id.
    #[default]
    Json,
    /// PHP's own session records, with `session.serialize_handler=php`; cookie, key and id are PHP's too.
    Php,
    /// The same with `session.serialize_handler=php_serialize`.
    #[value(name = "php_serialize")]
    PhpSerialize,
}

impl Format {
    /// The codec of this format.
    #[must_use]
    pub fn codec(self) -> Arc<dyn Codec> {
        match self {
            Self::Json => Arc::new(Json),
            Self::Php => Arc::new(Php::new(Handler::Php)),
            Self::PhpSerialize => Arc::new(Php::new(Handler::PhpSerialize)),
        }
    }

    /// The ids of this format, and the keys made from them.
    #[must_use]
    pub fn ids(self) -> IdRules {
        match self {
            Self::Json => IdRules::Own,
            Self::Php | Self::PhpSerialize => IdRules::Php,
        }
    }

    /// Whether every reader of this format knows tombstones, which [`crate::store`] leaves behind a renewal. A program
    /// that does not would take one for a session.
    #[must_use]
    pub fn has_tombstones(self) -> bool {
        match self {
            Self::Json => true,
            Self::Php | Self::PhpSerialize => false,
        }
    }

    /// The cookie's name where the settings give none.
    #[must_use]
    pub fn cookie_name(self) -> &'static str {
        match self {
            Self::Json => "sid",
            Self::Php | Self::PhpSerialize => "PHPSESSID",
        }
    }
}
