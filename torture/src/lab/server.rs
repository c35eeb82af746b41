//! [`Server`]: a process of the server under test.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::browser::{Answer, Browser};
use super::port::Port;
use super::process::Process;

const START: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    port: Port,
    process: Process,
}

impl Server {
    pub(super) async fn start(command: &[OsString], redis_url: &str, output: &Path) -> Result<Self> {
        let port = Port::reserve()?;
        let (program, arguments) = command
            .split_first()
            .context("missing: the command that starts the server")?;
        let written = fs::metadata(output).map_or(0, |file| file.len());
        let mut start = Command::new(program);
        start.args(arguments).env("PORT", port.number().to_string());
        start.env("REDIS_URL", redis_url).env("SESSION_STORE", redis_url);
        let mut server = Self {
            process: Process::start(&mut start, output)?.gently(),
            port,
        };
        let listens = timeout(START, server.listens()).await;
        match listens.unwrap_or_else(|_| Err(anyhow::anyhow!("does not listen on 127.0.0.1:{}", server.port()))) {
            Ok(()) => Ok(server),
            Err(error) => bail!("{}: {error}{}", program.display(), last_line(output, written)),
        }
    }

    async fn listens(&mut self) -> Result<()> {
        while TcpStream::connect(("127.0.0.1", self.port())).await.is_err() {
            if let Some(status) = self.process.ended() {
                bail!("ended before it listened on PORT ({status})");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns a browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.port())
    }

    /// Returns the browser of a visitor who has something in the cart, and did not sign in.
    pub(crate) async fn visitor(&self) -> Result<Browser> {
        let browser = self.browser();
        let answer = browser.set("cart", "bread").await;
        ensure!(answer.done(), "a change was answered with {answer}");
        Ok(browser)
    }

    /// Returns a browser in which `user` signed in.
    pub(crate) async fn signed_in(&self, user: &str) -> Result<Browser> {
        let browser = self.browser();
        let answer = browser.sign_in(user).await;
        ensure!(answer.done(), "a sign-in was answered with {answer}");
        Ok(browser)
    }

    /// Stops all processes of the server, as a suspended machine does.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Returns the resident memory of all processes of the server, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let pages = |process: &PathBuf| {
            let statm = fs::read_to_string(process.join("statm")).ok()?;
            statm.split(' ').nth(1)?.parse::<u64>().ok()
        };
        self.processes().iter().filter_map(pages).sum::<u64>() * rustix::param::page_size() as u64
    }

    /// Returns the number of sockets that the processes of the server have open.
    pub(crate) fn sockets(&self) -> u64 {
        let files = |process: &PathBuf| fs::read_dir(process.join("fd"));
        let targets = self
            .processes()
            .into_iter()
            .filter_map(|process| files(&process).ok())
            .flatten();
        let sockets = targets.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        sockets
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count() as u64
    }

    /// Returns the folders in `/proc` of all processes in the server's process group.
    fn processes(&self) -> Vec<PathBuf> {
        let group = self.process.id().to_string();
        let in_group = |folder: &PathBuf| {
            let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
            // after the name, which may hold spaces: state, parent, group
            stat.rsplit_once(')')
                .and_then(|(_, rest)| rest.split(' ').nth(3).map(|id| id == group))
                == Some(true)
        };
        let folders = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()));
        folders.filter(in_group).collect()
    }

    /// Checks each route once.
    pub(super) async fn check_routes(&self) -> Result<()> {
        let browser = self.browser();
        let requests = [
            ("/session", "ada"),
            ("/set?name=a", "1"),
            ("/remove?name=a", ""),
            ("/add", "bread"),
            ("/count", ""),
            ("/slow?name=b&wait=1", "2"),
            ("/renew", ""),
        ];
        for (route, body) in requests {
            let answer = browser.post(route, body).await;
            ensure!(
                answer.done(),
                "POST {route} was answered with {answer}, and has to be carried out"
            );
        }
        let fields = browser.show("user,a,items,n,b,c").await?;
        let expected = serde_json::json!({"user": "ada", "items": ["bread"], "n": 1, "b": "2"});
        let shown = serde_json::Value::Object(fields);
        ensure!(
            shown == expected,
            "GET /session?names=user,a,items,n,b,c returned {shown}, expected {expected}"
        );
        ensure!(!browser.cookies().is_empty(), "no response had a Set-Cookie");
        let answer: Answer = browser.post("/logout", "").await;
        ensure!(
            answer.done(),
            "POST /logout was answered with {answer}, and has to be carried out"
        );
        Ok(())
    }
}

/// Returns the last line of what a server has printed since its start.
fn last_line(output: &Path, start: u64) -> String {
    let all = fs::read(output).unwrap_or_default();
    let own = String::from_utf8_lossy(all.get(usize::try_from(start).unwrap_or(0)..).unwrap_or_default()).into_owned();
    match own.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; it printed: {line}"),
        None => String::new(),
    }
}
