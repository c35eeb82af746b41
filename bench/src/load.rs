//! The load: creates sessions, and runs wrk on them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ureq::Agent;

use crate::process::{Core, Cores, Process, output};
use crate::scenario::{Scenario, Sessions};
use crate::server::SLOTS;

const SCRIPT: &str = include_str!("load.lua");
/// How many connections create sessions.
const CREATORS: u32 = 8;

/// What one run of wrk counted.
#[derive(Clone, Debug)]
pub struct Measurement {
    pub requests: u64,
    pub duration: Duration,
    pub p50: Duration,
    pub p99: Duration,
    /// Responses of 400 and above, time-outs and broken connections.
    pub errors: u64,
    /// Changes that were answered as done and are not stored, if the scenario counts them.
    pub lost: Option<u64>,
    /// The share of a core that the server used.
    pub cpu: Option<f64>,
}

impl Measurement {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.duration.as_secs_f64()
    }

    /// Returns how many seconds of a core the server used for a request, or no number if the system does not tell it.
    pub fn cost(&self) -> f64 {
        self.cpu.unwrap_or(f64::NAN) / self.rate()
    }
}

/// Sends load to servers. Its files are in a folder that is removed when the value is dropped.
pub struct Load {
    folder: PathBuf,
    cores: Cores,
    connections: u32,
}

impl Load {
    pub fn new(cores: Cores, connections: u32) -> Result<Self> {
        ensure!(
            output("wrk", &["--version"]).is_some(),
            "wrk is missing; install it, on Debian with: apt-get install wrk"
        );
        ensure!(connections < SLOTS, "--connections must be less than {SLOTS}");
        let folder = std::env::temp_dir().join(format!("shared-session-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("load.lua"), SCRIPT)?;
        Ok(Self {
            folder,
            cores,
            connections,
        })
    }

    /// Creates sessions on the server, and returns the file with their cookies.
    pub fn create(&self, server: &Process, sessions: Sessions, many: u32) -> Result<PathBuf> {
        let count = sessions.count(many);
        let cookies = thread::scope(|scope| {
            let creators: Vec<_> = (0..CREATORS)
                .map(|first| {
                    scope.spawn(move || create_some(server, sessions, (first..count).step_by(CREATORS as usize)))
                })
                .collect();
            let parts = creators.into_iter().map(|creator| creator.join());
            let parts = parts.map(|part| part.unwrap_or_else(|_| bail!("a thread panicked")));
            parts.collect::<Result<Vec<_>>>()
        })?;
        let file = self.folder.join(format!("cookies-{}-{sessions:?}", server.port));
        let mut lines = fs::File::create(&file)?;
        lines.write_all(cookies.concat().join("\n").as_bytes())?;
        Ok(file)
    }

    /// Returns a file with a cookie of no session.
    pub fn no_cookie(&self) -> Result<PathBuf> {
        let file = self.folder.join("no-cookie");
        fs::write(&file, "none=none")?;
        Ok(file)
    }

    /// Runs one scenario on one server.
    pub fn run(&self, server: &Process, scenario: &Scenario, cookies: &Path, seconds: u32) -> Result<Measurement> {
        let cpu_before = server.cpu();
        let output = self
            .cores
            .command(Core::RedisAndLoad, "wrk")
            .args(["--threads", "1", "--connections", &self.connections.to_string()])
            .args(["--duration", &seconds.to_string(), "--timeout", "10", "--script"])
            .arg(self.folder.join("load.lua"))
            .args([&format!("http://127.0.0.1:{}/", server.port), "--", scenario.requests])
            .arg(cookies)
            .arg(SLOTS.to_string())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let result = text.lines().find_map(|line| line.strip_prefix("result "));
        let numbers =
            result.with_context(|| format!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
        let numbers: Vec<u64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [requests, duration, p50, p99, errors] = numbers[..] else {
            bail!("wrk printed an unknown result: {text}");
        };
        let duration = Duration::from_micros(duration);
        let cpu = server.cpu().zip(cpu_before).map(|(after, before)| after - before);
        let lost = if scenario.counts_changes() {
            Some((requests - errors).saturating_sub(stored_changes(server, cookies)?))
        } else {
            None
        };
        Ok(Measurement {
            requests,
            duration,
            p50: Duration::from_micros(p50),
            p99: Duration::from_micros(p99),
            errors,
            lost,
            cpu: cpu.map(|cpu| cpu.as_secs_f64() / duration.as_secs_f64()),
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Creates the sessions of these users, and returns their cookies.
fn create_some(server: &Process, sessions: Sessions, users: impl Iterator<Item = u32>) -> Result<Vec<String>> {
    let agent = Agent::new_with_defaults();
    let (fields, bytes) = sessions.fields();
    let create = |user| {
        let path = format!("new?user={user}&fields={fields}&bytes={bytes}");
        let response = agent
            .post(format!("http://127.0.0.1:{}/{path}", server.port))
            .send_empty()?;
        let cookie = response.headers().get("set-cookie").context("no cookie")?.to_str()?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    };
    users.map(create).collect()
}

/// Returns how many changes the hot session has stored.
fn stored_changes(server: &Process, cookies: &Path) -> Result<u64> {
    let mut response = ureq::get(format!("http://127.0.0.1:{}/slots", server.port))
        .header("cookie", fs::read_to_string(cookies)?)
        .call()?;
    Ok(response.body_mut().read_to_string()?.parse()?)
}
