//! One connection to Redis for the whole process, made anew after any error.

use std::{sync::Arc, time::Duration};

use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

/// How long one command may take, with connecting. A request sends at most two, and is to be answered within 2 s.
const LIMIT: Duration = Duration::from_millis(900);
/// How long one sentinel may take.
const SENTINEL_LIMIT: Duration = Duration::from_millis(200);

/// Why a command has no reply. Whether Redis carried it out is unknown.
#[derive(Clone, Debug)]
pub enum Error {
    TimedOut,
    NoPrimary,
    Redis(RedisError),
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// Where Redis is.
enum Address {
    Redis(String),
    Sentinels { addresses: Vec<String>, name: String },
}

/// The process's connection to Redis.
pub struct Redis {
    address: Address,
    current: Mutex<Option<Arc<MultiplexedConnection>>>,
}

impl Redis {
    /// Returns a connection that is made at the first command.
    pub fn new(url: &str) -> Self {
        let sentinels = url
            .strip_prefix("redis-sentinel://")
            .and_then(|rest| rest.split_once('/'));
        let address = match sentinels {
            Some((addresses, name)) => Address::Sentinels {
                addresses: addresses
                    .split(',')
                    .map(|address| format!("redis://{address}"))
                    .collect(),
                name: name.to_owned(),
            },
            None => Address::Redis(url.to_owned()),
        };
        Self {
            address,
            current: Mutex::new(None),
        }
    }

    /// Sends a command once and returns its reply.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let deadline = Instant::now() + LIMIT;
        let connection = timeout_at(deadline, self.connection())
            .await
            .map_err(|_| Error::TimedOut)??;
        let reply = match timeout_at(deadline, command.query_async(&mut connection.as_ref().clone())).await {
            Ok(reply) => reply.map_err(Error::from),
            Err(_) => Err(Error::TimedOut),
        };
        if reply.is_err() {
            self.give_up(&connection);
        }
        reply
    }

    /// Returns the connection, which is made if there is none.
    async fn connection(&self) -> Result<Arc<MultiplexedConnection>, Error> {
        let mut current = self.current.lock().await;
        match &*current {
            Some(connection) => Ok(connection.clone()),
            None => Ok(current.insert(Arc::new(self.connect().await?)).clone()),
        }
    }

    /// Lets the next command connect anew.
    fn give_up(&self, connection: &Arc<MultiplexedConnection>) {
        // whoever holds the lock for longer than a moment is making a new connection
        if let Ok(mut current) = self.current.try_lock()
            && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            *current = None;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        match &self.address {
            Address::Redis(url) => open(url).await,
            Address::Sentinels { addresses, name } => {
                for address in addresses {
                    if let Ok(Ok(connection)) = timeout(SENTINEL_LIMIT, connect_by_sentinel(address, name)).await {
                        return Ok(connection);
                    }
                }
                Err(Error::NoPrimary)
            }
        }
    }
}

/// Connects to the primary that a sentinel names, if it is one.
async fn connect_by_sentinel(sentinel: &str, name: &str) -> Result<MultiplexedConnection, Error> {
    let mut sentinel = open(sentinel).await?;
    let (host, port): (String, u16) = redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(name)
        .query_async(&mut sentinel)
        .await?;
    let mut connection = open(&format!("redis://{host}:{port}")).await?;
    let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
    match role.first() {
        Some(redis::Value::BulkString(role)) if role == b"master" => Ok(connection),
        _ => Err(Error::NoPrimary),
    }
}

async fn open(url: &str) -> Result<MultiplexedConnection, Error> {
    let address = url.into_connection_info()?;
    let settings = address.redis_settings().clone().set_skip_set_lib_name();
    let limits = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let client = Client::open(address.set_redis_settings(settings))?;
    Ok(client.get_multiplexed_async_connection_with_config(&limits).await?)
}
