//! [`Proxy`]: a TCP proxy in front of Redis that loses what it is told to lose.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::redis::url;

/// What a proxy loses.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Loss {
    Nothing,
    /// What the server under test sends: Redis never sees it.
    Requests,
    /// What Redis sends: it has carried out the commands.
    Replies,
}

/// Passes connections on to a Redis. A connection that has lost a byte stays open and carries nothing any more.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: AbortHandle,
}

#[derive(Default)]
struct Shared {
    loss: AtomicU8,
    accepted: AtomicU64,
    /// Connections that were accepted before this one are silent.
    silent_before: AtomicU64,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    has_lost: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(redis_port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let acceptor = tokio::spawn(accept(listener, redis_port, shared.clone())).abort_handle();
        Ok(Self { port, shared, acceptor })
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// Loses what is sent from now on. With [`Loss::Nothing`], connections that have lost something are closed.
    pub(crate) fn lose(&self, loss: Loss) {
        self.shared.loss.store(loss as u8, Ordering::SeqCst);
        if loss == Loss::Nothing {
            let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            for connection in connections
                .iter()
                .filter(|connection| connection.has_lost.load(Ordering::SeqCst))
            {
                connection.task.abort();
            }
        }
    }

    /// Makes the connections that are open now silent for ever, as a firewall does that has forgotten them. New ones work.
    pub(crate) fn forget_connections(&self) {
        self.shared
            .silent_before
            .store(self.shared.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        let connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().for_each(|connection| connection.task.abort());
    }
}

async fn accept(listener: TcpListener, redis_port: u16, shared: Arc<Shared>) -> Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let has_lost = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(connect(client, redis_port, number, has_lost.clone(), shared.clone())).abort_handle();
        let mut connections = shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| !connection.task.is_finished());
        connections.push(Connection { has_lost, task });
    }
}

async fn connect(client: TcpStream, redis_port: u16, number: u64, has_lost: Arc<AtomicBool>, shared: Arc<Shared>) {
    let Ok(redis) = TcpStream::connect(("127.0.0.1", redis_port)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_redis, to_redis) = redis.into_split();
    // both end when one does
    let mut both = JoinSet::new();
    both.spawn(pass(
        from_client,
        to_redis,
        Loss::Requests,
        number,
        has_lost.clone(),
        shared.clone(),
    ));
    both.spawn(pass(from_redis, to_client, Loss::Replies, number, has_lost, shared));
    both.join_next().await;
}

/// Passes bytes on, and ends with either side of the connection.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Loss,
    number: u64,
    has_lost: Arc<AtomicBool>,
    shared: Arc<Shared>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if shared.loss.load(Ordering::SeqCst) == direction as u8 {
            has_lost.store(true, Ordering::SeqCst);
        }
        let is_silent = number < shared.silent_before.load(Ordering::SeqCst);
        if is_silent || has_lost.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
