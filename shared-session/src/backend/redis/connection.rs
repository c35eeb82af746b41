//! [`Connection`]: the connections of a process to the Redis of `SESSION_STORE`, for any command.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError};

use super::cluster::Cluster;
use super::connector::{Connector, Link, Pushes};
use super::inspection::Inspection;
use super::sentinel::Sentinel;
use super::server::{Effect, Server, Timeouts};
use super::silence::Silence;
use super::{Options, OptionsError, RedisFailure};
use crate::topology::Kind;

/// A connection to the Redis of `SESSION_STORE`, for [`Redis`](super::Redis) and for services that store their own data
/// there.
///
/// Each thread that runs commands has one TCP connection, on a cluster one to each primary, which carries the commands of
/// all its requests (pipelining): so a thread that is blocked keeps nobody else waiting. A command that finds its
/// connection closed reconnects. If `SESSION_STORE_REPLICAS` is more than 0, each thread has one more connection, for
/// changes.
///
/// A service that stores its own data in the same Redis opens a `Connection` of its own from the same [`Settings`](crate::Settings). It
/// then has the same address, password and timeout, and its commands do not delay those of the sessions. Build the
/// commands with [`shared_session::redis`](redis), which is the version of the `redis` crate that this crate uses.
///
/// # Examples
///
/// ```no_run
/// use shared_session::backend::redis::{Connection, RedisFailure};
/// use shared_session::{Settings, redis};
///
/// async fn visits(connection: &Connection) -> Result<u64, RedisFailure> {
///     connection.run(redis::cmd("GET").arg("visits")).await
/// }
///
/// let connection = Connection::open(&Settings::from_env()?)?; // keep it for the life of the process
/// # Ok::<(), shared_session::SettingsError>(())
/// ```
pub struct Connection {
    target: Target,
    inspection: Arc<Inspection>,
}

/// What the commands go to.
enum Target {
    /// One server, which Sentinels may name.
    Server(Box<Server>),
    Cluster(Cluster),
}

impl Connection {
    /// Creates a connection. Does not connect yet.
    pub(crate) fn new(options: Options) -> Result<Self, OptionsError> {
        let (servers, timeout) = (options.servers()?, options.timeout);
        let timeouts = Timeouts {
            connect: timeout,
            // less than a request waits: so the first request without a reply abandons the connection
            reply: timeout * 4 / 5,
        };
        let inspection = Arc::new(Inspection::default());
        let first = servers[0].address().to_string();
        let server = |name: &str, connector| {
            let server = Server::new(name, connector, timeouts, options.replicas, inspection.clone());
            Target::Server(Box::new(server))
        };
        let target = match options.topology.kind {
            Kind::Server => server(&first, Connector::Server(servers[0].clone())),
            Kind::Sentinel { primary, login } => {
                // the Sentinels decide which server it is
                let name = format!("{primary} of {first}");
                let template = servers[0].with_login(login, options.password_files.primary.as_deref());
                let sentinel = Sentinel::new(servers, primary, template, timeout)?;
                server(&name, Connector::Sentinel(sentinel))
            }
            Kind::Cluster => Target::Cluster(Cluster::new(servers, timeout, inspection.clone())),
        };
        Ok(Self { target, inspection })
    }

    /// Runs a command and returns its reply.
    ///
    /// Connects again and repeats the command if the connection turns out to be closed, as it is after a restart of
    /// Redis, or if it leads to a replica, as it does after a fail-over. The command must therefore be safe to run twice.
    /// Abandons a connection if no reply to any command arrives in time, because a host that has disappeared closes nothing.
    ///
    /// On a cluster, the command goes to the node that stores its key: the first argument, or the first key of a script.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] if Redis is unreachable, does not reply within 4/5 of `SESSION_STORE_TIMEOUT`, or replies
    /// with an error.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        self.send(command, Effect::Read).await
    }

    /// Runs a command that changes data, as [`run`](Self::run) does, and waits until `SESSION_STORE_REPLICAS` replicas have
    /// the change.
    ///
    /// # Errors
    ///
    /// Returns [`RedisFailure`] as [`run`](Self::run) does, and if fewer replicas confirm the change in the same time. The
    /// change is then applied, but a fail-over may lose it.
    pub async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        self.send(command, Effect::Write).await
    }

    pub(super) async fn send<T: FromRedisValue>(&self, command: &Cmd, effect: Effect) -> Result<T, RedisFailure> {
        let reply = match &self.target {
            Target::Server(server) => server.run(command, effect, false).await?,
            Target::Cluster(cluster) => Box::pin(cluster.run(command, effect)).await?,
        };
        Ok(T::from_redis_value(reply).map_err(RedisError::from)?)
    }

    /// Establishes a connection that gets pushes: see [`Server::link`].
    pub(super) async fn link(&self, pushes: &Pushes) -> Result<(Link, Duration, Arc<Silence>), RedisFailure> {
        match &self.target {
            Target::Server(server) => server.link(pushes).await,
            Target::Cluster(_) => Err(RedisFailure::no_node()),
        }
    }

    /// Makes new connections inspect Redis.
    pub(super) fn inspect(&self) {
        self.inspection.enable();
    }

    /// Returns whether changes wait for replicas.
    pub(super) fn waits_for_replicas(&self) -> bool {
        matches!(&self.target, Target::Server(server) if server.waits_for_replicas())
    }

    /// Returns the number of the shard that stores `key`.
    pub(super) fn shard(&self, key: &str) -> u64 {
        match &self.target {
            Target::Server(_) => 0,
            Target::Cluster(cluster) => cluster.shard(key),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the client would show the address, which holds the password
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}
