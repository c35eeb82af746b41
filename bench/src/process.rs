//! The processes that take part: Redis and the servers. They are killed when their values are dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, anyhow, bail};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::port::Port;

/// Where a process runs.
#[derive(Clone, Copy)]
pub enum Core {
    Server,
    RedisAndLoad,
}

/// Starts programs, each on its core if that is possible.
#[derive(Clone, Copy)]
pub struct Cores {
    pinned: bool,
}

impl Cores {
    /// Pins processes if `wanted`, and if there are two cores and `taskset`.
    pub fn new(wanted: bool) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            pinned: wanted && cores > 1 && output("taskset", &["--version"]).is_some(),
        }
    }

    pub fn pinned(self) -> bool {
        self.pinned
    }

    pub fn command(self, core: Core, program: &str) -> Command {
        if !self.pinned {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        let number = match core {
            Core::Server => "0",
            Core::RedisAndLoad => "1",
        };
        command.args(["-c", number, program]);
        command
    }
}

/// Returns what a program prints, if it can be started.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns whether other processes use more than a tenth of a core, if the system tells it.
pub fn is_busy() -> bool {
    let idle = || {
        let text = fs::read_to_string("/proc/uptime").ok()?;
        text.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let (before, start) = (idle(), Instant::now());
    sleep(Duration::from_secs(1));
    let idle = before.zip(idle()).map(|(before, after)| after - before);
    idle.is_some_and(|idle| cores - idle / start.elapsed().as_secs_f64() > 0.1)
}

/// A running process.
pub struct Process {
    child: Child,
    pub port: u16,
    /// Delays what is sent to the port and from it.
    _delay: Option<Box<Self>>,
    /// Keeps the port of Redis from other programs.
    _reserved: Option<Port>,
}

impl Process {
    /// Starts a Redis without persistence on a free port.
    pub fn redis(cores: Cores, program: &str) -> Result<Self> {
        if output(program, &["--version"]).is_none() {
            bail!("{program} is missing; install it, on Debian with: apt-get install {program}");
        }
        let reserved = Port::reserve();
        let port = reserved.number();
        let child = cores
            .command(Core::RedisAndLoad, program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut redis = Self {
            child,
            port,
            _delay: None,
            _reserved: Some(reserved),
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = redis.child.try_wait()? {
                let mut output = String::new();
                redis
                    .child
                    .stdout
                    .take()
                    .context("no output")?
                    .read_to_string(&mut output)?;
                bail!("{program} ended at its start, {status}:\n{output}");
            }
            sleep(Duration::from_millis(25));
        }
        Ok(redis)
    }

    /// Starts the server of a candidate.
    pub fn server(
        cores: Cores,
        framework: Framework,
        candidate: Candidate,
        redis: &Self,
        workers: u32,
    ) -> Result<Self> {
        let store = format!("redis://127.0.0.1:{}/{}", redis.port, candidate.database());
        Self::start(&mut framework.server(cores, candidate, &store, workers)?)
    }

    /// Starts a program that prints its port.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("no output")?;
        let mut server = Self {
            child,
            port: 0,
            _delay: None,
            _reserved: None,
        };
        BufReader::new(output).read_line(&mut line)?;
        server.port = line.trim().parse().context("the server did not start")?;
        Ok(server)
    }

    /// Moves the process away: a round trip to it takes `delay` more.
    pub fn behind(mut self, cores: Cores, delay: Duration) -> Result<Self> {
        if !delay.is_zero() {
            let program = env::current_exe()?;
            let mut command = cores.command(Core::RedisAndLoad, program.to_str().context("invalid path")?);
            command.args(["delay", &self.port.to_string(), &delay.as_micros().to_string()]);
            let forwarder = Self::start(&mut command)?;
            self.port = forwarder.port;
            self._delay = Some(Box::new(forwarder));
        }
        Ok(self)
    }

    /// Returns the ids of the children, such as gunicorn's worker, if the system tells them.
    fn children(&self) -> Option<Vec<String>> {
        let id = self.child.id();
        let ids = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        Some(ids.split_whitespace().map(str::to_owned).collect())
    }

    /// Returns the processor time that all threads of the process and of its children have used, if the system tells it.
    pub fn cpu(&self) -> Option<Duration> {
        let mut processes = self.children()?;
        processes.push(self.child.id().to_string());
        let mut sum = 0;
        for process in processes {
            for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
                let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
                sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
            }
        }
        Some(Duration::from_nanos(sum))
    }

    /// Returns how often a Redis ran each command.
    pub fn commands(&self) -> Result<BTreeMap<String, u64>> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.write_all(b"INFO commandstats\r\nQUIT\r\n")?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply)?;
        // "cmdstat_get:calls=3,usec=…"
        let lines = reply
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
        let counts = lines.map(|(name, rest)| {
            let count = rest.split(',').next().unwrap_or_default().parse()?;
            Ok((name.to_owned(), count))
        });
        counts.collect()
    }

    /// Returns the resident memory of the process in KiB.
    pub fn memory(&self) -> Result<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!("the memory is only known on Linux"),
            status => status?,
        };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| anyhow!("unknown content of {file}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let children = self.children().unwrap_or_default();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !children.is_empty() {
            let _ = Command::new("kill").arg("-KILL").args(children).status();
        }
    }
}
