//! [`Cluster`]: connects to a Redis Cluster.

use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, RedisError};
use tokio::time::Instant;

use super::RedisFailure;
use crate::settings::{Settings, SettingsError};

/// Connects to a cluster.
pub(super) struct Cluster;

/// A connection to a cluster.
#[derive(Clone)]
pub(super) struct ClusterLink(MultiplexedConnection);

impl Cluster {
    pub fn new(_nodes: Vec<ConnectionInfo>, _settings: &Settings) -> Result<Self, SettingsError> {
        Err(SettingsError::new("SESSION_STORE", "a cluster is not supported"))
    }

    pub async fn connect(&self, _deadline: Instant) -> Result<ClusterLink, RedisError> {
        unreachable!()
    }
}

impl ClusterLink {
    pub fn is_ended_by(&self, failure: &RedisFailure) -> bool {
        failure.ends_connection()
    }
}

impl std::ops::Deref for ClusterLink {
    type Target = MultiplexedConnection;
    fn deref(&self) -> &MultiplexedConnection {
        &self.0
    }
}

impl std::ops::DerefMut for ClusterLink {
    fn deref_mut(&mut self) -> &mut MultiplexedConnection {
        &mut self.0
    }
}
