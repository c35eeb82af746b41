//! [`Connector`]: establishes connections to Redis in each topology. A [`Link`] is a connection that it established.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisFuture,
    RedisResult, Value,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::sentinel::{Sentinel, SentinelLink};
use crate::timeout::until;

/// How long a server may take to say why it turns a client away.
const REASON: Duration = Duration::from_millis(50);

/// Establishes connections to the Redis of `SESSION_STORE`.
pub(super) enum Connector {
    Server(Client),
    Sentinel(Sentinel),
}

impl Connector {
    /// Establishes a connection for one thread. The caller gives up at `deadline`.
    pub async fn connect(&self, deadline: Instant) -> Result<Link, RedisError> {
        Ok(match self {
            Self::Server(client) => Link::Server(connect(client).await?),
            Self::Sentinel(sentinel) => Link::Sentinel(sentinel.connect(deadline).await?),
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
    /// Returns whether the connection leads to a server that is not the one to use any more.
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Sentinel(link) if link.is_superseded())
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

/// Returns the client of the server at an address, with the login and the options of another one.
pub(super) fn client_at(host: &str, port: u16, template: &ConnectionInfo) -> RedisResult<Client> {
    let host = host.to_owned();
    let address = match template.addr().clone() {
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
    Client::open(template.clone().set_addr(address))
}

/// Connects to one server. The caller limits the time.
pub(super) async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        // the client's own timeout fires after a stall of this process, before it reads a reply that arrived
        .set_response_timeout(None)
        // more than a process has requests in flight, so that no command waits to be sent
        .set_pipeline_buffer_size(1024);
    match client.get_multiplexed_async_connection_with_config(&config).await {
        Err(error) if error.is_connection_dropped() || error.kind() == ErrorKind::AuthenticationFailed => {
            let reason = Box::pin(until(Instant::now() + REASON, turned_away(client)));
            Err(reason.await.flatten().unwrap_or(error))
        }
        connected => connected,
    }
}

/// Returns why a server turns clients away, because it is in protected mode or has too many. It says so unasked and closes the
/// connection, which is all that the driver reports.
async fn turned_away(client: &Client) -> Option<RedisError> {
    let ConnectionAddr::Tcp(host, port) = client.get_connection_info().addr() else {
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
