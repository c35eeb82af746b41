//! What experiments are made with: servers, browsers, and faults.

mod browser;
mod port;
mod process;
mod proxy;
mod redis;
mod sentinel;
mod server;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

pub(crate) use self::browser::{Answer, Browser};
pub(crate) use self::proxy::{Loss, Proxy};
pub(crate) use self::redis::{Connection, Redis};
pub(crate) use self::sentinel::Sentinels;
pub(crate) use self::server::Server;

/// The command that starts the server under test, and a folder for what experiments leave behind.
pub struct Lab {
    command: Vec<OsString>,
    folder: TempDir,
}

impl Lab {
    /// Returns a lab for the server that `command` starts: a program and its arguments.
    ///
    /// # Errors
    ///
    /// Returns an error if the command is empty, or if no temporary folder can be made.
    pub fn new(command: Vec<OsString>) -> Result<Self> {
        ensure!(
            !command.is_empty(),
            "missing: the command that starts the server, after --"
        );
        let folder = tempfile::Builder::new()
            .prefix("torture-")
            .tempdir()
            .context("no temporary folder")?;
        Ok(Self { command, folder })
    }

    /// Returns the file to which all servers under test write what they print.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// Checks that the server answers all routes.
    ///
    /// # Errors
    ///
    /// Returns an error that says what is missing, in one line.
    pub async fn check(&self) -> Result<()> {
        let (_redis, server) = self.stack().await?;
        server.check_routes().await
    }

    /// Starts a Redis that keeps nothing on disk, and the server.
    pub(crate) async fn stack(&self) -> Result<(Redis, Server)> {
        let redis = self.redis(&[]).await?;
        let server = self.server(&redis.url()).await?;
        Ok((redis, server))
    }

    /// Starts a Redis with more options, such as `--appendonly yes`.
    pub(crate) async fn redis(&self, options: &[&str]) -> Result<Redis> {
        Redis::start(self.folder.path(), options).await
    }

    /// Starts a primary, two replicas and three Sentinels.
    pub(crate) async fn sentinels(&self) -> Result<Sentinels> {
        Sentinels::start(self.folder.path()).await
    }

    /// Starts the server, and waits until it answers.
    pub(crate) async fn server(&self, redis_url: &str) -> Result<Server> {
        Server::start(&self.command, redis_url, &self.output()).await
    }
}

/// Returns a new folder inside `parent`.
fn folder_in(parent: &Path) -> Result<PathBuf> {
    let folder = tempfile::tempdir_in(parent).context("no temporary folder")?;
    Ok(folder.keep())
}
