//! `SESSION_STORE`: the URL that selects a backend. A new backend adds one arm to [`StoreUrl::parse`].

#[cfg(feature = "redis")]
use crate::topology::Topology;

/// A valid URL of a store. Neither `Debug` nor an error shows a password.
#[derive(Clone, Debug)]
pub(crate) enum StoreUrl {
    Memory,
    #[cfg(feature = "redis")]
    Redis(Box<Topology>),
}

impl StoreUrl {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        #[cfg(feature = "redis")]
        return Topology::parse(url).map(|topology| Self::Redis(Box::new(topology)));
        #[cfg(not(feature = "redis"))]
        Err(
            "unknown URL; it is memory:, as every other URL needs the feature `redis` of the crate shared-session"
                .to_owned(),
        )
    }
}
