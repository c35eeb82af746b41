//! [`RedisSentinel`]: a primary, two replicas and three Sentinels for tests, on free ports of 127.0.0.1.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Client, FromRedisValue, RedisResult};

use super::redis_server::RedisServer;
use crate::backend::redis::{Connection, Redis};
use crate::settings::Settings;

/// The name of the primary in the configuration of the Sentinels.
const NAME: &str = "mymaster";

/// After this time without a reply, a Sentinel takes a server for dead.
const DOWN_AFTER: Duration = Duration::from_millis(1000);

/// Three servers, of which the first is the primary at the start, and three Sentinels. A majority of the Sentinels decides.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<SentinelProcess>,
    options: Vec<String>,
}

struct SentinelProcess {
    port: u16,
    folder: PathBuf,
    process: Option<Child>,
}

impl RedisSentinel {
    /// Starts everything, and waits until a fail-over is possible.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed, or if this takes too long.
    #[must_use]
    pub fn start() -> Self {
        Self::with_options(&[], "", |server| server.port())
    }

    /// Starts everything with more options of the servers and more lines in the configuration of the Sentinels.
    /// `port` returns the port of a server by which the Sentinels know it.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start) does.
    #[must_use]
    pub fn with_options(options: &[&str], configuration: &str, port: impl Fn(&RedisServer) -> u16) -> Self {
        let mut this = Self {
            servers: (0..3).map(|_| RedisServer::stopped()).collect(),
            sentinels: Vec::new(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        };
        let primary = port(&this.servers[0]);
        this.restart(0);
        for server in 1..3 {
            this.restart_as_replica(server, primary);
        }
        this.wait_for("the replicas have the data", |this| {
            let info: String = this.servers[0].run(&["INFO", "replication"]);
            info.matches("state=online").count() == 2
        });
        this.sentinels = (0..3).map(|_| SentinelProcess::start(primary, configuration)).collect();
        this.wait_for("the Sentinels know each other and the replicas", |this| {
            (0..3).all(|sentinel| this.knows_all(sentinel))
        });
        this
    }

    fn knows_all(&self, sentinel: usize) -> bool {
        let state = self.ask::<Vec<String>>(sentinel, &["SENTINEL", "MASTER", NAME]);
        let has = |name: &str, value: &str| {
            let state = state.as_ref().is_ok_and(|state| {
                let mut pairs = state.chunks_exact(2);
                pairs.any(|pair| pair[0] == name && pair[1] == value)
            });
            state
        };
        has("num-slaves", "2") && has("num-other-sentinels", "2") && has("flags", "master")
    }

    /// Returns the URL that names the Sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with("redis-sentinel", "", 0)
    }

    /// Returns the URL with another scheme, with a login such as `user:password@`, and with another database.
    #[must_use]
    pub fn url_with(&self, scheme: &str, login: &str, database: usize) -> String {
        let hosts = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port));
        let hosts: Vec<_> = hosts.collect();
        format!("{scheme}://{login}{}/{NAME}/{database}", hosts.join(","))
    }

    /// Creates a backend on the primary that the Sentinels name.
    #[must_use]
    pub fn backend(&self, timeout: Duration, database: usize) -> Redis {
        let settings = Settings::default().with_store_timeout(timeout).unwrap();
        let settings = settings.with_store(&self.url_with("redis-sentinel", "", database));
        Redis::new(Connection::open(&settings.unwrap()).unwrap())
    }

    /// Returns a server, of three.
    #[must_use]
    pub fn server(&self, server: usize) -> &RedisServer {
        &self.servers[server]
    }

    /// Returns a server to kill or to restart it.
    pub fn server_mut(&mut self, server: usize) -> &mut RedisServer {
        &mut self.servers[server]
    }

    /// Starts a server that was killed, with its data. It comes back as a primary, until the Sentinels make it a replica.
    pub fn restart(&mut self, server: usize) {
        let options: Vec<_> = self.options.iter().map(String::as_str).collect();
        self.servers[server].restart(&options);
    }

    /// Starts a server that was killed, as a replica of the server with this port.
    pub fn restart_as_replica(&mut self, server: usize, port: u16) {
        let (of, priority) = (format!("127.0.0.1 {port}"), ["--repl-diskless-sync-delay", "0"]);
        let mut options: Vec<_> = self.options.iter().map(String::as_str).collect();
        options.extend(["--replicaof", &of]);
        options.extend(priority);
        self.servers[server].restart(&options);
    }

    /// Returns the port of a Sentinel, of three.
    #[must_use]
    pub fn sentinel_port(&self, sentinel: usize) -> u16 {
        self.sentinels[sentinel].port
    }

    /// Kills a Sentinel.
    pub fn kill_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].kill();
    }

    /// Starts a Sentinel that was killed. It knows what it knew.
    pub fn restart_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].spawn();
    }

    /// Suspends a Sentinel: connections stay open, and commands get no reply.
    pub fn freeze_sentinel(&self, sentinel: usize) {
        self.sentinels[sentinel].signal("STOP");
    }

    /// Resumes a Sentinel.
    pub fn thaw_sentinel(&self, sentinel: usize) {
        self.sentinels[sentinel].signal("CONT");
    }

    /// Sends a command to a Sentinel.
    pub fn ask<T: FromRedisValue>(&self, sentinel: usize, command: &[&str]) -> RedisResult<T> {
        let mut line = redis::cmd(command[0]);
        line.arg(&command[1..]);
        let client = Client::open(format!("redis://127.0.0.1:{}", self.sentinels[sentinel].port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        line.query(&mut connection)
    }

    /// Returns the port that two of the Sentinels name, if they do.
    #[must_use]
    pub fn primary_port(&self) -> Option<u16> {
        let ports = (0..3).filter_map(|sentinel| {
            let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
            self.ask::<(String, u16)>(sentinel, &command).ok()
        });
        let mut ports: Vec<_> = ports.map(|(_, port)| port).collect();
        ports.sort_unstable();
        ports.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Returns the server that two of the Sentinels name as the primary.
    ///
    /// # Panics
    ///
    /// Panics if they name none.
    #[must_use]
    pub fn primary(&self) -> usize {
        let port = self.primary_port().expect("the Sentinels do not agree");
        let server = self.servers.iter().position(|server| server.port() == port);
        server.expect("the primary is another server")
    }

    /// Asks for a fail-over, although the primary is well. It becomes a replica.
    pub fn fail_over(&self) {
        self.wait_for("a Sentinel accepts the fail-over", |this| {
            // refused while another one is in flight or no replica is known to be good
            this.ask::<()>(0, &["SENTINEL", "FAILOVER", NAME]).is_ok()
        });
    }

    /// Waits until another server than `former` is the primary, by two of the Sentinels and by its role, and returns it.
    ///
    /// # Panics
    ///
    /// Panics if this takes too long.
    pub fn wait_for_another_primary(&self, former: usize) -> usize {
        let mut primary = former;
        self.wait_for("another primary", |this| {
            let Some(port) = this.primary_port() else { return false };
            let found = this.servers.iter().position(|server| server.port() == port);
            primary = found.unwrap_or(former);
            primary != former
                && this.servers[primary]
                    .run::<redis::Value>(&["ROLE"])
                    .looks_like_primary()
        });
        primary
    }

    /// Waits until two replicas have the data of the primary and all Sentinels know all servers, so that a fail-over is
    /// possible.
    ///
    /// # Panics
    ///
    /// Panics if this takes too long.
    pub fn wait_until_complete(&self) {
        self.wait_for("two replicas have the data", |this| {
            let Some(port) = this.primary_port() else { return false };
            let primary = this.servers.iter().find(|server| server.port() == port);
            let info = primary.map(|server| server.run::<String>(&["INFO", "replication"]));
            info.is_some_and(|info| info.matches("state=online").count() == 2)
                && (0..3).all(|sentinel| this.knows_all(sentinel))
        });
    }

    fn wait_for(&self, condition: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < deadline, "not in time: {condition}");
            sleep(Duration::from_millis(20));
        }
    }
}

trait Role {
    fn looks_like_primary(&self) -> bool;
}

impl Role for redis::Value {
    fn looks_like_primary(&self) -> bool {
        matches!(self, Self::Array(parts) if parts.first() == Some(&Self::BulkString(b"master".to_vec())))
    }
}

impl SentinelProcess {
    fn start(primary: u16, configuration: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("shared-session-sentinel-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\n", folder.display());
        // lines such as `port 0` replace those above
        writeln!(text, "{configuration}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2").unwrap();
        writeln!(
            text,
            "sentinel down-after-milliseconds {NAME} {}",
            DOWN_AFTER.as_millis()
        )
        .unwrap();
        writeln!(
            text,
            "sentinel failover-timeout {NAME} 5000\nsentinel parallel-syncs {NAME} 2"
        )
        .unwrap();
        std::fs::write(folder.join("sentinel.conf"), text).unwrap();
        let mut sentinel = Self {
            port,
            folder,
            process: None,
        };
        sentinel.spawn();
        sentinel
    }

    fn spawn(&mut self) {
        let spawned = Command::new("redis-server")
            .arg(self.folder.join("sentinel.conf"))
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(spawned.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("the Sentinel is not running");
        let id = process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for SentinelProcess {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
