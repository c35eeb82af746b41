//! [`Connector`]: establishes connections to Redis in each topology. A [`Link`] is a connection that it established.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, RedisFuture, RedisResult, Value,
};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::options::first_line;
use super::sentinel::{Sentinel, SentinelLink};
use crate::timeout::until;

/// How long a server may take to say why it turns a client away.
const REASON: Duration = Duration::from_millis(50);

/// The host and the port of a server.
pub(super) type Address = (String, u16);

/// Receives the messages that a server sends without a request. It runs before later replies are returned.
pub(super) type Pushes = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Establishes connections to the Redis of `SESSION_STORE`.
pub(super) enum Connector {
    Server(Endpoint),
    Sentinel(Sentinel),
}

impl Connector {
    /// Establishes a connection for one thread, or for `pushes`. The caller gives up at `deadline`.
    pub async fn connect(&self, pushes: Option<&Pushes>, deadline: Instant) -> Result<Link, RedisError> {
        Ok(match self {
            Self::Server(server) => Link::Server(connect(server, pushes).await?),
            Self::Sentinel(sentinel) => Link::Sentinel(sentinel.connect(pushes, deadline).await?),
        })
    }
}

/// An established connection. A clone uses the same one.
#[derive(Clone)]
pub(super) enum Link {
    Server(MultiplexedConnection),
    Sentinel(SentinelLink),
}

impl Link {
    /// Returns whether another server has replaced the one that the connection leads to.
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Sentinel(link) if link.is_superseded())
    }

    /// Returns whether a majority of the Sentinels names the server. Without Sentinels, returns `true`.
    pub fn is_agreed(&self) -> bool {
        match self {
            Self::Server(_) => true,
            Self::Sentinel(link) => link.is_agreed(),
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Sentinel(link) => link.connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Sentinel(link) => link.connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Sentinel(link) => link.connection.get_db(),
        }
    }
}

/// A server to connect to.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Its address, the options of the connection, and the login as it was when the process started.
    info: ConnectionInfo,
    /// The file with the password. It is read for each connection, so that a new password needs no restart.
    password_file: Option<Arc<Path>>,
}

impl Endpoint {
    pub fn new(info: ConnectionInfo, password_file: Option<&Path>) -> Self {
        Self {
            info,
            password_file: password_file.map(Arc::from),
        }
    }

    pub fn address(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    /// Returns the same server with another login.
    pub fn with_login(&self, login: RedisConnectionInfo, password_file: Option<&Path>) -> Self {
        Self::new(self.info.clone().set_redis_settings(login), password_file)
    }

    /// Returns the server at another address, with the same login and options.
    pub fn at(&self, (host, port): &Address) -> Self {
        let (host, port) = (host.clone(), *port);
        let address = match self.address().clone() {
            ConnectionAddr::TcpTls {
                insecure, tls_params, ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        Self {
            info: self.info.clone().set_addr(address),
            password_file: self.password_file.clone(),
        }
    }

    /// Returns a client with the current password.
    pub fn client(&self) -> RedisResult<Client> {
        self.client_by(ProtocolVersion::RESP2)
    }

    fn client_by(&self, protocol: ProtocolVersion) -> RedisResult<Client> {
        let mut login = self.info.redis_settings().clone().set_protocol(protocol);
        // the password of the start is as good as any if the file is gone
        if let Some(Ok(password)) = self.password_file.as_deref().map(first_line) {
            login = login.set_password(password.expose_secret());
        }
        Client::open(self.info.clone().set_redis_settings(login))
    }
}

/// Connects to one server. The caller limits the time.
pub(super) async fn connect(server: &Endpoint, pushes: Option<&Pushes>) -> Result<MultiplexedConnection, RedisError> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        // the client's own timeout fires after a stall of this process, before it reads a reply that arrived
        .set_response_timeout(None)
        // more than a process has requests in flight, so that no command waits to be sent
        .set_pipeline_buffer_size(1024);
    let client = match pushes.cloned() {
        Some(pushes) => {
            config = config.set_push_sender(move |info| {
                pushes(info);
                Ok::<_, Infallible>(())
            });
            // only this protocol has pushes
            server.client_by(ProtocolVersion::RESP3)?
        }
        None => server.client()?,
    };
    match client.get_multiplexed_async_connection_with_config(&config).await {
        Err(error) if error.is_connection_dropped() || error.kind() == ErrorKind::AuthenticationFailed => {
            let reason = Box::pin(until(Instant::now() + REASON, turned_away(server)));
            Err(reason.await.flatten().unwrap_or(error))
        }
        connected => connected,
    }
}

/// Returns why a server turns clients away: it is in protected mode, or has too many. It sends the reason and closes the
/// connection, but the driver reports the closed connection only.
async fn turned_away(server: &Endpoint) -> Option<RedisError> {
    let ConnectionAddr::Tcp(host, port) = server.address() else {
        return None;
    };
    let stream = TcpStream::connect((host.as_str(), *port)).await.ok()?;
    let mut line = Vec::new();
    BufReader::new(stream)
        .take(1024)
        .read_until(b'\n', &mut line)
        .await
        .ok()?;
    redis::parse_redis_value(&line).ok()?.extract_error().err()
}
