//! [`Redis`]: a `redis-server` of an experiment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::folder_in;
use super::port::Port;
use super::process::Process;

const START: Duration = Duration::from_secs(20);

/// How long a command of an experiment may take.
const COMMAND: Duration = Duration::from_secs(10);

/// Ends what [`Redis::commands`] counts.
const LAST_COMMAND: &str = "the last command";

pub(crate) struct Redis {
    port: Port,
    folder: PathBuf,
    options: Vec<String>,
    process: Option<Process>,
}

impl Redis {
    pub(super) async fn start(parent: &Path, options: &[&str]) -> Result<Self> {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut redis = Self {
            port: Port::reserve()?,
            folder: folder_in(parent)?,
            options,
            process: None,
        };
        redis.spawn()?;
        redis.wait().await?;
        Ok(redis)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn url(&self) -> String {
        url(self.port())
    }

    /// Starts the server again on the same port, with the data that it has on disk, and does not wait for it.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        let mut command = Command::new("redis-server");
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--enable-debug-command",
            "yes",
            "--port",
        ]);
        command
            .arg(self.port().to_string())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.options);
        let process = Process::start(&mut command, &self.folder.join("log"));
        self.process = Some(process.context("redis-server is needed (on Debian: apt-get install redis-server)")?);
        Ok(())
    }

    /// Waits until the server answers.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        let answers = async {
            while self.command::<String>(&["PING"]).await.is_err() {
                if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                    bail!("redis-server ended at its start: {status}");
                }
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(START, answers).await.context("redis-server does not answer")?
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Lets the server answer nothing, while its connections stay open.
    pub(crate) fn pause(&self) {
        self.process.iter().for_each(Process::pause);
    }

    pub(crate) fn resume(&self) {
        self.process.iter().for_each(Process::resume);
    }

    /// Sends a command, given as its words.
    pub(crate) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        command(self.port(), words).await
    }

    /// Returns a connection for commands that a new one could not send.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        Connection::open(self.port()).await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        let keys: Vec<Vec<u8>> = self.command(&["KEYS", "*"]).await?;
        Ok(keys
            .into_iter()
            .map(|key| String::from_utf8_lossy(&key).into_owned())
            .collect())
    }

    /// Counts the commands that clients send, until [`Commands::stop`].
    pub(crate) async fn commands(&self) -> Result<Commands> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port())).await?);
        stream.write_all(b"MONITOR\r\n").await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let count = tokio::spawn(async move {
            let mut count = 0;
            loop {
                let mut line = Vec::new();
                if stream.read_until(b'\n', &mut line).await? == 0 {
                    bail!("redis-server ended while its commands were counted");
                }
                let line = String::from_utf8_lossy(&line);
                if line.contains(LAST_COMMAND) {
                    return Ok(count);
                }
                // a script's own commands are part of the one that runs it
                count += u64::from(!line.contains(" lua] ") && !opens_a_connection(&line));
            }
        });
        Ok(Commands {
            count,
            port: self.port(),
        })
    }
}

/// Returns whether a line of MONITOR is a command that each new connection sends. It does not belong to a read.
fn opens_a_connection(line: &str) -> bool {
    let command = line.split('"').nth(1).unwrap_or_default().to_ascii_lowercase();
    ["auth", "client", "hello", "info", "select"].contains(&&*command)
}

/// Counts commands.
pub(crate) struct Commands {
    count: JoinHandle<Result<u64>>,
    port: u16,
}

impl Commands {
    /// Returns how many commands were sent.
    pub(crate) async fn stop(self) -> Result<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream
            .write_all(format!("ECHO \"{LAST_COMMAND}\"\r\n").as_bytes())
            .await?;
        self.count.await?
    }
}

pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

pub(super) async fn command<T: FromRedisValue>(port: u16, words: &[&str]) -> Result<T> {
    Connection::open(port).await?.command(words).await
}

/// A connection of the experiment itself.
pub(crate) struct Connection(MultiplexedConnection);

impl Connection {
    pub(super) async fn open(port: u16) -> Result<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(COMMAND));
        let client = Client::open(url(port))?;
        Ok(Self(
            client.get_multiplexed_async_connection_with_config(&config).await?,
        ))
    }

    /// Sends a command, given as its words.
    pub(crate) async fn command<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T> {
        let mut command = Cmd::new();
        words.iter().for_each(|word| {
            command.arg(word);
        });
        Ok(command.query_async(&mut self.0).await?)
    }
}
