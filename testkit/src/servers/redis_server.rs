//! [`RedisServer`]: a Redis or Valkey process for tests, on a free port and in append-only mode.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue};
use shared_session::Settings;
use shared_session::backend::redis::{self as backend, Redis};

use super::port::Port;
use super::server_process::{Exit, ServerProcess, start_again};

/// The program of a server, and how to install it.
type Program = (&'static str, &'static str);

pub(super) const INSTALLATION: &str = "on Debian: apt-get install redis-server";
const REDIS: Program = ("redis-server", INSTALLATION);
const VALKEY: Program = (
    "valkey-server",
    "on Debian 13: apt-get install valkey-server; ./test.sh downloads it to target/valkey, which must be in PATH",
);

/// A `redis-server` or `valkey-server` process. Its data survives [`kill`](RedisServer::kill), and is deleted when the value
/// is dropped.
pub struct RedisServer {
    program: Program,
    port: Port,
    folder: PathBuf,
    process: Option<ServerProcess>,
}

impl RedisServer {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a Valkey server with more options. It has commands that Redis before 8.4 does not have.
    ///
    /// # Panics
    ///
    /// Panics if `valkey-server` is not installed.
    #[must_use]
    pub fn start_valkey(options: &[&str]) -> Self {
        Self::start_program(VALKEY, options)
    }

    /// Starts a server with more options.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_program(REDIS, options)
    }

    fn start_program(program: Program, options: &[&str]) -> Self {
        start_again(|| {
            let mut server = Self::stopped();
            server.program = program;
            server.spawn(options);
            server.wait().map(|()| server)
        })
    }

    /// Returns a server that was not started yet.
    pub(super) fn stopped() -> Self {
        let port = Port::reserve();
        let name = format!("shared-session-redis-{}-{}", std::process::id(), port.number());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            program: REDIS,
            port,
            folder,
            process: None,
        }
    }

    /// Returns the server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port())
    }

    /// Creates a backend on this server.
    #[must_use]
    pub fn backend(&self, timeout: Duration) -> Redis {
        let settings = Settings::default().with_store_timeout(timeout);
        let settings = settings.and_then(|settings| settings.with_store(&self.url())).unwrap();
        Redis::new(backend::Connection::open(&settings).unwrap())
    }

    /// Returns the server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Starts the server with its data and more options, and waits until it replies.
    ///
    /// # Panics
    ///
    /// Panics with the server's output if it ends instead.
    pub fn restart(&mut self, options: &[&str]) {
        start_again(|| {
            self.spawn(options);
            self.wait()
        });
    }

    /// Waits until the server replies, or ends.
    pub(super) fn wait(&self) -> Result<(), Exit> {
        self.process().wait_until(|_| {
            let pong = self
                .try_connect()
                .map(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
            pong.is_ok_and(|reply| reply.is_ok())
        })
    }

    /// Starts the server with its data and more options, and does not wait until it replies.
    pub fn spawn(&mut self, options: &[&str]) {
        let (program, installation) = self.program;
        let mut command = Command::new(program);
        command.args(["--port", &self.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--enable-debug-command", "yes"]);
        command.arg("--dir").arg(&self.folder).args(options);
        let process = ServerProcess::start(&mut command, &self.folder.join("output"), installation);
        self.process = Some(process);
    }

    /// Kills the server, like a power cut. With `appendfsync everysec` the changes of its last two seconds may be lost,
    /// because Redis replies before they are on disk.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Returns what is known about the server's end, if it ended by itself.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.process.as_ref().and_then(ServerProcess::exit)
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Suspends the server: connections stay open, and commands get no reply.
    pub fn freeze(&self) {
        self.process().signal("STOP");
    }

    /// Resumes the server.
    pub fn thaw(&self) {
        self.process().signal("CONT");
    }

    fn process(&self) -> &ServerProcess {
        self.process.as_ref().expect("the server was not started")
    }

    fn try_connect(&self) -> redis::RedisResult<Connection> {
        Client::open(self.url())?.get_connection()
    }

    /// Runs a command over a new connection and returns its reply.
    #[must_use]
    pub fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut command_line = redis::cmd(command[0]);
        for argument in &command[1..] {
            command_line.arg(*argument);
        }
        let reply = self
            .try_connect()
            .and_then(|mut connection| command_line.query(&mut connection));
        reply.unwrap_or_else(|error| {
            let exit = self.exit();
            panic!(
                "{}: {error}; {}",
                command[0],
                exit.map_or_else(String::new, |exit| exit.to_string())
            )
        })
    }

    /// Returns whether this many replicas confirm a change. A new replica takes up to a second until it does.
    #[must_use]
    pub fn replicates_to(&self, replicas: u32) -> bool {
        let mut connection = self.try_connect().unwrap();
        let () = redis::cmd("SET")
            .arg("probe")
            .arg("")
            .arg("PX")
            .arg(1)
            .query(&mut connection)
            .unwrap();
        let confirmed: u32 = redis::cmd("WAIT")
            .arg(replicas)
            .arg(100)
            .query(&mut connection)
            .unwrap();
        confirmed >= replicas
    }

    /// Returns how often the commands were called since the last `CONFIG RESETSTAT`. Commands in scripts do not count, so
    /// that these are round trips.
    #[must_use]
    pub fn calls(&self, names: &[&str]) -> u64 {
        let stats: String = self.run(&["INFO", "commandstats"]);
        let counts = stats.lines().filter_map(|line| {
            let (name, counts) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let calls = counts.strip_prefix("calls=")?.split(',').next()?;
            names.contains(&name).then(|| calls.parse::<u64>().unwrap())
        });
        counts.sum()
    }

    /// Returns the number of connections since the server started.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let stats: String = self.run(&["INFO", "stats"]);
        let count = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().trim().parse().unwrap()
    }

    /// Makes every key and every member of an index expire earlier, as if time had passed.
    pub fn age(&self, by: Duration) {
        self.age_database(0, by);
    }

    /// Makes every key and every member of an index of one database expire earlier.
    pub fn age_database(&self, database: usize, by: Duration) {
        let script = "redis.call('SELECT', ARGV[2])
            for _, key in ipairs(redis.call('KEYS', '*')) do
                local left = redis.call('PTTL', key)
                if redis.call('TYPE', key).ok == 'zset' then
                    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
                        redis.call('ZINCRBY', key, -ARGV[1], member)
                    end
                end
                if left > tonumber(ARGV[1]) then redis.call('PEXPIRE', key, left - ARGV[1])
                elseif left >= 0 then redis.call('DEL', key) end
            end";
        let () = self.run(&["EVAL", script, "0", &by.as_millis().to_string(), &database.to_string()]);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
