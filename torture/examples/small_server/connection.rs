//! One connection to Redis for the whole process, made anew after any error.

use std::{pin::pin, sync::Arc, time::Duration};

use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Mutex, OnceCell},
    time::{Instant, timeout, timeout_at},
};

use crate::fault::Fault;

/// How long one command may take, with connecting. A request sends at most two, and has 2 s.
const LIMIT: Duration = Duration::from_millis(900);
/// How long one sentinel may take.
const SENTINEL_LIMIT: Duration = Duration::from_millis(200);

/// Why a command has no reply. Whether Redis carried it out is unknown.
#[derive(Clone)]
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
    Sentinels { urls: Vec<String>, name: String },
}

/// The process's connection to Redis.
pub struct Redis {
    address: Address,
    current: Mutex<Option<Arc<MultiplexedConnection>>>,
    fault: Option<Fault>,
    /// What the sentinels said first (fault `fail-over`).
    first_primary: OnceCell<String>,
}

impl Redis {
    /// Returns a connection that is made at the first command.
    pub fn new(url: &str, fault: Option<Fault>) -> Self {
        let sentinels = url
            .strip_prefix("redis-sentinel://")
            .and_then(|rest| rest.split_once('/'));
        let address = match sentinels {
            Some((addresses, name)) => {
                let urls = addresses
                    .split(',')
                    .map(|address| format!("redis://{address}"))
                    .collect();
                Address::Sentinels {
                    urls,
                    name: name.to_owned(),
                }
            }
            None => Address::Redis(url.to_owned()),
        };
        Self {
            address,
            current: Mutex::new(None),
            fault,
            first_primary: OnceCell::new(),
        }
    }

    /// Sends a command once and returns its reply.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let limit = if self.fault == Some(Fault::RedisHung) {
            Duration::from_secs(86_400)
        } else {
            LIMIT
        };
        let deadline = Instant::now() + limit;
        let connection = timeout_at(deadline, self.connection())
            .await
            .map_err(|_| Error::TimedOut)??;
        let mut sender = connection.as_ref().clone();
        let mut reply = pin!(command.query_async(&mut sender));
        let mut in_time = timeout_at(deadline, &mut reply).await;
        if self.fault == Some(Fault::IdleConnection) && in_time.is_err() && self.new_connection_works().await {
            in_time = Ok(reply.await);
        }
        let reply = in_time
            .map_err(|_| Error::TimedOut)
            .and_then(|reply| reply.map_err(Error::from));
        if reply.is_err() && self.fault != Some(Fault::RedisKilled) {
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
        let (sentinels, name) = match &self.address {
            Address::Redis(url) => return open(url).await,
            Address::Sentinels { urls, name } => (urls, name),
        };
        if let Some(url) = self.first_primary.get() {
            return open(url).await;
        }
        for sentinel in sentinels {
            if let Ok(Ok((url, connection))) = timeout(SENTINEL_LIMIT, connect_by_sentinel(sentinel, name)).await {
                if self.fault == Some(Fault::FailOver) {
                    _ = self.first_primary.set(url);
                }
                return Ok(connection);
            }
        }
        Err(Error::NoPrimary)
    }

    async fn new_connection_works(&self) -> bool {
        let ping = async {
            redis::cmd("PING")
                .query_async::<()>(&mut self.connect().await?)
                .await
                .map_err(Error::from)
        };
        matches!(timeout(LIMIT / 2, ping).await, Ok(Ok(())))
    }

    /// Opens a connection that is never closed (fault `soak-sockets`).
    pub async fn leak(&self) {
        if let Ok(connection) = self.connect().await {
            std::mem::forget(connection);
        }
    }
}

/// Connects to the primary that a sentinel names, if it is one, and returns its URL too.
async fn connect_by_sentinel(sentinel: &str, name: &str) -> Result<(String, MultiplexedConnection), Error> {
    let mut sentinel = open(sentinel).await?;
    let question = redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(name)
        .to_owned();
    let (host, port): (String, u16) = question.query_async(&mut sentinel).await?;
    let url = format!("redis://{host}:{port}");
    let mut connection = open(&url).await?;
    let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
    match role.first() {
        Some(Value::BulkString(role)) if role == b"master" => Ok((url, connection)),
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
