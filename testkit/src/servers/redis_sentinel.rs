//! [`RedisSentinel`]: a primary, two replicas and three Sentinels for tests, on free ports of 127.0.0.1.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Client, Cmd, FromRedisValue, RedisResult};
use shared_session::Settings;
use shared_session::backend::redis::{Connection, Redis};

use super::port::Port;
use super::redis_server::{INSTALLATION, RedisServer};
use super::server_process::{Exit, ServerProcess, start_again};

/// The name of the primary in the configuration of the Sentinels.
const NAME: &str = "mymaster";

/// After this time without a reply, a Sentinel takes a server for dead.
const DOWN_AFTER: Duration = Duration::from_millis(1000);

/// Three servers, of which the first is the primary at the start, and three Sentinels. A majority of the Sentinels decides.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<SentinelProcess>,
    options: Vec<String>,
    /// The ports of the servers for TLS.
    tls_ports: Option<[Port; 3]>,
}

struct SentinelProcess {
    port: Port,
    tls_port: Option<Port>,
    folder: PathBuf,
    process: Option<ServerProcess>,
}

impl RedisSentinel {
    /// Starts everything, and waits until a fail-over is possible.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed, or if this takes too long.
    #[must_use]
    pub fn start() -> Self {
        Self::with_options(&[], "")
    }

    /// Starts everything with more options of the servers and more lines in the configuration of the Sentinels.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start) does.
    #[must_use]
    pub fn with_options(options: &[&str], configuration: &str) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::launch(options, configuration, None)
    }

    /// Starts everything with TLS between all servers and Sentinels, from options such as `--tls-cert-file`. The ports
    /// without TLS remain, for the test itself.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start) does.
    #[must_use]
    pub fn with_tls(options: &[String]) -> Self {
        let mut configuration = "tls-replication yes\n".to_owned();
        for pair in options.chunks_exact(2) {
            writeln!(configuration, "{} {}", pair[0].trim_start_matches('-'), pair[1]).unwrap();
        }
        let mut options = options.to_vec();
        options.extend(["--tls-replication".to_owned(), "yes".to_owned()]);
        Self::launch(options, &configuration, Some([(); 3].map(|()| Port::reserve())))
    }

    fn launch(options: Vec<String>, configuration: &str, tls_ports: Option<[Port; 3]>) -> Self {
        let mut this = Self {
            servers: (0..3).map(|_| RedisServer::stopped()).collect(),
            sentinels: Vec::new(),
            options,
            tls_ports,
        };
        let primary = this.announced_port(0);
        this.restart(0);
        for server in 1..3 {
            this.restart_as_replica(server, primary);
        }
        this.wait_for("the replicas have the data", |this| this.servers[0].replicates_to(2));
        let uses_tls = this.tls_ports.is_some();
        this.sentinels = (0..3)
            .map(|_| SentinelProcess::start(primary, configuration, uses_tls))
            .collect();
        this.set_periods(Duration::from_millis(500), Duration::from_millis(200));
        this.wait_for("the Sentinels know each other and the replicas", |this| {
            (0..3).all(|sentinel| this.knows_all(sentinel))
        });
        this
    }

    /// Returns the port by which the Sentinels know a server.
    fn announced_port(&self, server: usize) -> u16 {
        let tls_port = self.tls_ports.as_ref().map(|ports| ports[server].number());
        tls_port.unwrap_or_else(|| self.servers[server].port())
    }

    /// Sets how often the Sentinels ask each server for its state and greet each other. Redis's own periods are 10 s and 2 s;
    /// those of a new value are shorter, because Sentinels need several to notice each other and to demote a server.
    pub fn set_periods(&self, info: Duration, publish: Duration) {
        let [info, publish] = [info, publish].map(|period| period.as_millis().to_string());
        let command = ["SENTINEL", "DEBUG", "INFO-PERIOD", &info, "PUBLISH-PERIOD", &publish];
        for sentinel in 0..3 {
            self.wait_for("a Sentinel replies", |this| this.ask::<()>(sentinel, &command).is_ok());
        }
    }

    /// Returns whether a Sentinel finds the primary well, and knows both replicas and both other Sentinels.
    fn knows_all(&self, sentinel: usize) -> bool {
        let Ok(state) = self.ask::<HashMap<String, String>>(sentinel, &["SENTINEL", "MASTER", NAME]) else {
            return false;
        };
        let expected = [("num-slaves", "2"), ("num-other-sentinels", "2"), ("flags", "master")];
        expected.iter().all(|(name, value)| state[*name] == *value)
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
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port.number()));
        let hosts: Vec<_> = hosts.collect();
        format!("{scheme}://{login}{}/{NAME}/{database}", hosts.join(","))
    }

    /// Returns the URL that names the Sentinels of [`with_tls`](Self::with_tls).
    #[must_use]
    pub fn tls_url(&self) -> String {
        let hosts = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.tls_port.as_ref().unwrap().number()));
        format!("rediss-sentinel://{}/{NAME}/0", hosts.collect::<Vec<_>>().join(","))
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
        self.restart_with(server, &[]);
    }

    /// Starts a server that was killed, as a replica of the server with this port.
    pub fn restart_as_replica(&mut self, server: usize, port: u16) {
        self.restart_with(server, &["--replicaof", &format!("127.0.0.1 {port}")]);
    }

    fn restart_with(&mut self, server: usize, options: &[&str]) {
        let tls_port = self.tls_ports.as_ref().map(|ports| ports[server].number().to_string());
        let mut all = vec!["--repl-diskless-sync-delay", "0"];
        all.extend(self.options.iter().map(String::as_str));
        all.extend(options);
        if let Some(port) = &tls_port {
            all.extend(["--tls-port", port]);
        }
        self.servers[server].restart(&all);
    }

    /// Returns the port of a Sentinel, of three.
    #[must_use]
    pub fn sentinel_port(&self, sentinel: usize) -> u16 {
        self.sentinels[sentinel].port.number()
    }

    /// Kills a Sentinel.
    pub fn kill_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].process = None;
    }

    /// Starts a Sentinel that was killed. It knows what it knew.
    pub fn restart_sentinel(&mut self, sentinel: usize) {
        start_again(|| self.sentinels[sentinel].spawn());
    }

    /// Suspends a Sentinel: connections stay open, and commands get no reply.
    pub fn freeze_sentinel(&self, sentinel: usize) {
        self.sentinels[sentinel].process().signal("STOP");
    }

    /// Resumes a Sentinel.
    pub fn thaw_sentinel(&self, sentinel: usize) {
        self.sentinels[sentinel].process().signal("CONT");
    }

    /// Sends a command to a Sentinel.
    pub fn ask<T: FromRedisValue>(&self, sentinel: usize, command: &[&str]) -> RedisResult<T> {
        let mut line = redis::cmd(command[0]);
        line.arg(&command[1..]);
        ask(self.sentinel_port(sentinel), &line)
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
        self.agreed_primary().expect("the Sentinels do not agree")
    }

    fn agreed_primary(&self) -> Option<usize> {
        let port = self.primary_port()?;
        (0..self.servers.len()).find(|server| self.announced_port(*server) == port)
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
            primary = this.agreed_primary().unwrap_or(former);
            let info = |server: usize| this.servers[server].run::<String>(&["INFO", "replication"]);
            primary != former && info(primary).contains("role:master")
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
            let primary = this.agreed_primary();
            primary.is_some_and(|primary| this.servers[primary].replicates_to(2))
                && (0..3).all(|sentinel| this.knows_all(sentinel))
        });
    }

    fn wait_for(&self, condition: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            let servers = self.servers.iter().filter_map(RedisServer::exit);
            let sentinels = self
                .sentinels
                .iter()
                .filter_map(|sentinel| sentinel.process.as_ref()?.exit());
            if let Some(exit) = servers.chain(sentinels).next() {
                panic!("{condition}: {exit}");
            }
            assert!(Instant::now() < deadline, "not in time: {condition}");
            sleep(Duration::from_millis(20));
        }
    }
}

/// Sends a command to the Sentinel with this port.
fn ask<T: FromRedisValue>(port: u16, command: &Cmd) -> RedisResult<T> {
    let client = Client::open(format!("redis://127.0.0.1:{port}"))?;
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    command.query(&mut connection)
}

impl SentinelProcess {
    fn start(primary: u16, configuration: &str, uses_tls: bool) -> Self {
        start_again(|| {
            let mut sentinel = Self::stopped(primary, configuration, uses_tls);
            sentinel.spawn().map(|()| sentinel)
        })
    }

    fn stopped(primary: u16, configuration: &str, uses_tls: bool) -> Self {
        let (port, tls_port) = (Port::reserve(), uses_tls.then(Port::reserve));
        let name = format!("shared-session-sentinel-{}-{}", std::process::id(), port.number());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = format!("bind 127.0.0.1\nport {}\ndir {}\n", port.number(), folder.display());
        if let Some(tls_port) = &tls_port {
            writeln!(text, "tls-port {}", tls_port.number()).unwrap();
        }
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
        Self {
            port,
            tls_port,
            folder,
            process: None,
        }
    }

    /// Starts the process, and waits until it replies or ends.
    fn spawn(&mut self) -> Result<(), Exit> {
        let mut command = Command::new("redis-server");
        command.arg(self.folder.join("sentinel.conf")).arg("--sentinel");
        let process = ServerProcess::start(&mut command, &self.folder.join("output"), INSTALLATION);
        let process = self.process.insert(process);
        let port = self.port.number();
        process.wait_until(|_| ask::<String>(port, &redis::cmd("PING")).is_ok())
    }

    fn process(&self) -> &ServerProcess {
        self.process.as_ref().expect("the Sentinel is not running")
    }
}

impl Drop for SentinelProcess {
    fn drop(&mut self) {
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
