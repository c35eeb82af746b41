//! [`Sentinel`]: connects to the primary that the Sentinels name, and notices when they name another one.
//!
//! A thread of its own asks all Sentinels regularly, and at once if a connection is needed. So a busy worker does not delay
//! the question, and workers need no connections to Sentinels.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::announcements::{Announcements, LastAnnouncement};
use super::connector::{Address, Endpoint, Pushes, connect};
use super::{OptionsError, RedisFailure};
use crate::timeout::until;

/// How often the Sentinels are asked: often, because a change that is sent to a replaced primary may be lost.
const INTERVAL: Duration = Duration::from_millis(200);

/// The servers that Sentinels name as the primary; the failure of a Sentinel if none names one.
type Named = RedisResult<Vec<Address>>;

/// Connects to the primary that the Sentinels name.
pub(super) struct Sentinel {
    /// An address with the login, the TLS and the TCP settings of the primary, and with the host of a Sentinel.
    template: Endpoint,
    questions: mpsc::UnboundedSender<oneshot::Sender<Named>>,
    /// The address that a majority of the Sentinels names.
    agreed: watch::Receiver<Option<Address>>,
    announced: LastAnnouncement,
}

/// A connection to a primary.
#[derive(Clone)]
pub(super) struct SentinelLink {
    pub connection: MultiplexedConnection,
    address: Address,
    agreed: watch::Receiver<Option<Address>>,
    announced: LastAnnouncement,
}

impl Sentinel {
    /// Starts to ask the Sentinels. The thread ends with the returned value.
    pub fn new(
        sentinels: Vec<Endpoint>,
        primary: String,
        template: Endpoint,
        timeout: Duration,
    ) -> Result<Self, OptionsError> {
        let sentinels = sentinels.into_iter().map(|server| {
            Arc::new(Peer {
                server,
                connection: Mutex::default(),
            })
        });
        let (questions, receiver) = mpsc::unbounded_channel();
        let (sender, agreed) = watch::channel(None);
        let primary: Arc<str> = primary.into();
        let (announcements, announced) = Announcements::new(primary.clone());
        let watcher = Watcher {
            sentinels: sentinels.collect(),
            primary,
            announcements: Arc::new(announcements),
            timeout,
            agreed: sender,
        };
        let failed = |error| OptionsError::Servers(format!("failed to start a thread: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let thread = thread::Builder::new().name("sentinels".to_owned());
        thread.spawn(move || watcher.run(&runtime, receiver)).map_err(failed)?;
        Ok(Self {
            template,
            questions,
            agreed,
            announced,
        })
    }

    /// Connects to the primary. Asks the Sentinels first, and then the server itself for its role.
    pub async fn connect(&self, pushes: Option<&Pushes>, deadline: Instant) -> RedisResult<SentinelLink> {
        let (sender, receiver) = oneshot::channel();
        // an error cannot happen, as the thread lives as long as this value
        let _ = self.questions.send(sender);
        let named = receiver
            .await
            .unwrap_or_else(|_| Err(failure("nobody asks the Sentinels")))?;
        let mut failure = failure("no Sentinel names the primary");
        // without a majority there may be several, of which one is hung
        for (index, address) in named.iter().enumerate() {
            if self.announced.is_about(address) {
                failure = self::failure("a Sentinel replaces the primary");
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(named.len() - index).unwrap_or(u32::MAX);
            match until(Instant::now() + share, self.connect_to(address, pushes)).await {
                Some(Ok(connection)) => {
                    return Ok(SentinelLink {
                        connection,
                        address: address.clone(),
                        agreed: self.agreed.clone(),
                        announced: self.announced.clone(),
                    });
                }
                Some(Err(error)) => failure = error,
                None => failure = std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, address: &Address, pushes: Option<&Pushes>) -> RedisResult<MultiplexedConnection> {
        let mut connection = connect(&self.template.at(address), pushes).await?;
        let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
            return Err(failure("the server that the Sentinels name is not a primary"));
        }
        Ok(connection)
    }
}

impl SentinelLink {
    /// Returns whether a majority of the Sentinels names another primary, or one Sentinel is about to promote one.
    pub fn is_superseded(&self) -> bool {
        let agreed = self.agreed.borrow();
        agreed.as_ref().is_some_and(|agreed| *agreed != self.address) || self.announced.is_about(&self.address)
    }

    /// Returns whether a majority of the Sentinels names this primary, and none is about to promote another one.
    pub fn is_agreed(&self) -> bool {
        self.agreed.borrow().as_ref() == Some(&self.address) && !self.announced.is_about(&self.address)
    }
}

/// Asks the Sentinels.
struct Watcher {
    sentinels: Vec<Arc<Peer>>,
    primary: Arc<str>,
    announcements: Arc<Announcements>,
    timeout: Duration,
    agreed: watch::Sender<Option<Address>>,
}

/// A Sentinel.
struct Peer {
    server: Endpoint,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Watcher {
    /// Asks until the sender of questions is dropped.
    fn run(self, runtime: &Runtime, mut questions: mpsc::UnboundedReceiver<oneshot::Sender<Named>>) {
        runtime.block_on(async {
            for sentinel in &self.sentinels {
                let announcements = self.announcements.clone();
                tokio::spawn(announcements.listen(sentinel.server.clone(), self.timeout));
            }
            let mut waiting = Vec::new();
            loop {
                let named = self.ask_all().await;
                for question in waiting.drain(..) {
                    // an error means that the connection is not needed any more
                    let _: Result<(), _> = oneshot::Sender::send(question, named.clone());
                }
                if let Ok(0) = timeout(INTERVAL, questions.recv_many(&mut waiting, usize::MAX)).await {
                    return;
                }
            }
        });
    }

    /// Returns the address that a majority of the Sentinels names. Without a majority, returns all that are named, the most
    /// frequent one first.
    async fn ask_all(&self) -> Named {
        let (sender, mut replies) = mpsc::unbounded_channel();
        for sentinel in &self.sentinels {
            let (sentinel, primary, sender) = (sentinel.clone(), self.primary.clone(), sender.clone());
            let limit = self.timeout;
            tokio::spawn(async move {
                let reply = until(Instant::now() + limit, sentinel.ask(&primary)).await;
                // an error means that the others have decided
                let _ = sender.send(reply.unwrap_or_else(|| Err(failure("no reply from a Sentinel in time"))));
            });
        }
        drop(sender);
        let majority = self.sentinels.len() / 2 + 1;
        let mut votes: Vec<(Address, usize)> = Vec::new();
        // half of the time is left to connect to the primary
        let deadline = Instant::now() + self.timeout / 2;
        let mut last_failure = failure("no reply from the Sentinels in time");
        while let Some(Some(reply)) = until(deadline, replies.recv()).await {
            let address = match reply {
                Ok(address) => address,
                Err(failure) => {
                    last_failure = failure;
                    continue;
                }
            };
            match votes.iter_mut().find(|(named, _)| *named == address) {
                Some((_, count)) => *count += 1,
                None => votes.push((address, 1)),
            }
            if let Some((agreed, _)) = votes.iter().find(|(_, count)| *count >= majority) {
                self.publish(Some(agreed.clone()), None);
                return Ok(vec![agreed.clone()]);
            }
        }
        self.publish(None, Some(&last_failure));
        if votes.is_empty() {
            return Err(last_failure);
        }
        votes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(votes.into_iter().map(|(address, _)| address).collect())
    }

    /// Publishes what the Sentinels agree on, and logs it if it is new.
    fn publish(&self, agreed: Option<Address>, failure: Option<&RedisError>) {
        self.agreed.send_if_modified(|current| {
            if *current == agreed {
                return false;
            }
            match &agreed {
                Some((host, port)) => tracing::info!(redis.host = host, redis.port = port, "Sentinels name a primary"),
                None => {
                    let error = failure.map(|error| tracing::field::display(RedisFailure::from(error.clone())));
                    tracing::warn!(error, "no majority of the Sentinels names a primary");
                }
            }
            *current = agreed;
            true
        });
    }
}

impl Peer {
    async fn ask(&self, primary: &str) -> RedisResult<Address> {
        let mut current = self.connection.lock().await;
        // taken, so that a connection that fails or does not reply is dropped
        let mut connection = match current.take() {
            Some(connection) => connection,
            None => connect(&self.server, None).await?,
        };
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(primary);
        let address: Option<Address> = command.query_async(&mut connection).await?;
        *current = Some(connection);
        address.ok_or_else(|| failure("the Sentinel does not know the name of the primary"))
    }
}

pub(super) fn failure(text: &'static str) -> RedisError {
    std::io::Error::other(text).into()
}
