//! [`Forwarder`]: a TCP forwarder in front of a Redis. Tests redirect it, delay it, and let it lose bytes.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_session::Settings;
use shared_session::backend::Backend;
use shared_session::backend::redis::{Connection, Redis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Builder;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};

/// A direction in which bytes flow.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    ToRedis,
    FromRedis,
}

/// A forwarder on a free port, with a thread of its own.
pub struct Forwarder {
    port: u16,
    route: Arc<Route>,
}

struct Route {
    target: AtomicU16,
    delay: Mutex<Duration>,
    connections: AtomicUsize,
    /// How often bytes from a client named the command that loads a session.
    loads: AtomicUsize,
    /// For each direction, the number of the first connection that loses no bytes.
    first_intact: [AtomicUsize; 2],
    lost: AtomicU64,
}

impl Forwarder {
    /// Starts a forwarder to a port of this machine.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let route = Arc::new(Route {
            target: AtomicU16::new(target),
            delay: Mutex::default(),
            connections: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
            first_intact: Default::default(),
            lost: AtomicU64::new(0),
        });
        let accepting = route.clone();
        let accept = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().forward(client));
            }
        };
        // a runtime of its own, so that a blocked test does not delay it
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || runtime.block_on(accept));
        Self { port, route }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn settings(&self) -> Settings {
        let url = format!("redis://127.0.0.1:{}/0", self.port);
        Settings::default().with_store(&url).unwrap()
    }

    /// Returns a backend whose connections lead through this forwarder.
    pub fn backend(&self, timeout: Duration) -> Arc<dyn Backend> {
        let settings = self.settings().with_store_timeout(timeout).unwrap();
        Arc::new(Redis::new(Connection::open(&settings).unwrap()))
    }

    /// Leads new connections to another port. The open ones stay where they lead.
    pub fn redirect(&self, target: u16) {
        self.route.target.store(target, Ordering::SeqCst);
    }

    /// Delays the bytes in each direction.
    pub fn delay(&self, by: Duration) {
        *self.route.delay.lock().unwrap() = by;
    }

    /// Loses from now on what the open connections send in one direction. They stay open, and new ones lose nothing.
    pub fn break_silently(&self, direction: Direction) {
        let opened = self.connections();
        self.route.first_intact[direction as usize].store(opened, Ordering::SeqCst);
    }

    /// Returns the number of connections that were opened.
    pub fn connections(&self) -> usize {
        self.route.connections.load(Ordering::SeqCst)
    }

    /// Returns how often clients began to load a session. The bytes may not have reached Redis yet.
    pub fn loads(&self) -> usize {
        self.route.loads.load(Ordering::SeqCst)
    }

    /// Returns the number of bytes that were lost.
    pub fn lost(&self) -> u64 {
        self.route.lost.load(Ordering::SeqCst)
    }
}

impl Route {
    async fn forward(self: Arc<Self>, client: TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let target = self.target.load(Ordering::SeqCst);
        let Ok(redis) = TcpStream::connect(("127.0.0.1", target)).await else {
            return;
        };
        client.set_nodelay(true).unwrap();
        redis.set_nodelay(true).unwrap();
        let ((from_client, to_client), (from_redis, to_redis)) = (client.into_split(), redis.into_split());
        tokio::join!(
            self.pump(number, Direction::ToRedis, from_client, to_redis),
            self.pump(number, Direction::FromRedis, from_redis, to_client),
        );
    }

    async fn pump(&self, number: usize, direction: Direction, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (sender, mut receiver) = unbounded_channel();
        let read = async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                if buffer[..length].windows(5).any(|bytes| bytes == b"GETEX") {
                    self.loads.fetch_add(1, Ordering::SeqCst);
                }
                let due = Instant::now() + *self.delay.lock().unwrap();
                let _ = sender.send((due, buffer[..length].to_vec()));
            }
        };
        let write = async move {
            while let Some((due, bytes)) = receiver.recv().await {
                sleep_until(due).await;
                if number < self.first_intact[direction as usize].load(Ordering::SeqCst) {
                    self.lost.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                } else if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(read, write);
    }
}
