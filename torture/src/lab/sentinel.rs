//! [`Sentinels`]: a primary, two replicas, and three Sentinels.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{sleep, timeout};

use super::folder_in;
use super::port::Port;
use super::process::Process;
use super::redis::{Redis, command};

/// The name of the primary in the configuration of the Sentinels.
const NAME: &str = "mymaster";
const START: Duration = Duration::from_secs(40);

/// The first server is the primary at the start.
pub(crate) struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<(Port, Process)>,
}

impl Sentinels {
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        let primary = Redis::start(folder, &[]).await?;
        let port = primary.port().to_string();
        let mut servers = vec![primary];
        for _ in 0..2 {
            servers.push(Redis::start(folder, &["--replicaof", &format!("127.0.0.1 {port}")]).await?);
        }
        let mut this = Self {
            servers,
            sentinels: Vec::new(),
        };
        for _ in 0..3 {
            let sentinel = start_sentinel(folder, &port)?;
            this.sentinels.push(sentinel);
        }
        timeout(START, this.is_ready())
            .await
            .context("the Sentinels do not find each other")?;
        Ok(this)
    }

    /// Returns an address of the form `redis-sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/mymaster`.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|(port, _)| format!("127.0.0.1:{}", port.number()))
            .collect();
        format!("redis-sentinel://{}/{NAME}", hosts.join(","))
    }

    /// Waits until both replicas hold all that the primary holds, and ends the primary.
    pub(crate) async fn kill_primary(&mut self) -> Result<()> {
        let primary = &mut self.servers[0];
        let mut connection = primary.connection().await?;
        // WAIT waits for what is older than the command before it
        connection.command::<String>(&["PING"]).await?;
        connection.command::<i64>(&["WAIT", "2", "5000"]).await?;
        primary.kill();
        Ok(())
    }

    async fn is_ready(&self) {
        while !self.primary_has_replicas().await || !self.sentinels_agree().await {
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn primary_has_replicas(&self) -> bool {
        let info = self.servers[0]
            .command::<String>(&["INFO", "replication"])
            .await
            .unwrap_or_default();
        info.matches("state=online").count() == 2
    }

    async fn sentinels_agree(&self) -> bool {
        for (port, _) in &self.sentinels {
            let quorum = command::<String>(port.number(), &["SENTINEL", "CKQUORUM", NAME]).await;
            let replicas = command::<Vec<redis::Value>>(port.number(), &["SENTINEL", "REPLICAS", NAME]).await;
            let others = command::<Vec<redis::Value>>(port.number(), &["SENTINEL", "SENTINELS", NAME]).await;
            let counts = [replicas, others].map(|list| list.map_or(0, |list| list.len()));
            if quorum.is_err() || counts != [2, 2] {
                return false;
            }
        }
        true
    }
}

fn start_sentinel(folder: &Path, primary: &str) -> Result<(Port, Process)> {
    let port = Port::reserve()?;
    let folder = folder_in(folder)?;
    let file = folder.join("sentinel.conf");
    let number = port.number();
    let text = format!(
        "port {number}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 10000\n",
        folder.display()
    );
    fs::write(&file, text)?;
    let mut command = Command::new("redis-server");
    let process = Process::start(command.arg(&file).arg("--sentinel"), &folder.join("log"))?;
    Ok((port, process))
}
