//! The processes of the test: on each host Redis, a Sentinel, and the services, with the repository's configuration.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use shared_session::redis::{self, Client, Connection, FromRedisValue, RedisResult};

use crate::network::{HOSTS, command_on, host_of, private, public};

const REDIS: u16 = 6379;
const SENTINEL: u16 = 26379;
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long the parts of the stack may take to agree. The Sentinels wait 10 s before they demote a primary that comes back.
const SETTLING: Duration = Duration::from_secs(60);

/// How far a cache may be behind: `SESSION_CACHE`.
pub const BOUND: Duration = Duration::from_secs(2);

/// What a service waits for before it answers a change, and where it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// It waits until one replica has the change: `SESSION_STORE_REPLICAS=1`.
    Replicated,
    /// It waits until the primary has the change, as by default.
    Asynchronous,
    /// It waits until one replica has the change, and reads from a cache that is behind by at most [`BOUND`].
    Cached,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Replicated, Self::Asynchronous, Self::Cached];

    /// Returns whether a fail-over loses nothing.
    pub fn waits_for_a_replica(self) -> bool {
        self != Self::Asynchronous
    }

    /// Returns the port of user-service. The next one is task-service's.
    pub fn port(self) -> u16 {
        match self {
            Self::Replicated => 8081,
            Self::Asynchronous => 8083,
            Self::Cached => 8085,
        }
    }
}

/// All processes. They are killed when the value is dropped.
pub struct Stack {
    folder: PathBuf,
    password: String,
    redis: Vec<Child>,
    others: Vec<Child>,
    /// Whether the logs are kept so that the cause of a failure can be found.
    keeps_logs: Cell<bool>,
}

impl Stack {
    /// Starts everything, and waits until every service is ready.
    pub fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("shared-session-failover-{}", uuid()));
        fs::create_dir_all(&folder).unwrap();
        let made = Command::new(repository().join("redis/secrets.sh"))
            .arg(&folder)
            .env("SENTINELS", "127.0.0.1:1") // none runs yet
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let mut stack = Self {
            folder,
            password: uuid(),
            redis: Vec::new(),
            others: Vec::new(),
            keeps_logs: Cell::new(false),
        };
        for acl in ["redis/users.acl", "sentinels/users.acl"] {
            let mut acl = File::options().append(true).open(stack.folder.join(acl)).unwrap();
            writeln!(acl, "user admin reset on >{} ~* &* +@all", stack.password).unwrap();
        }
        for host in 0..HOSTS {
            let redis = stack.start_redis(host);
            stack.redis.push(redis);
        }
        for host in 0..HOSTS {
            let (primary, port) = (private(0), REDIS.to_string());
            let sentinel = stack.start_server("sentinel", host, &[&primary, &port], SENTINEL);
            stack.others.push(sentinel);
        }
        stack.wait_until_healthy();
        for host in 0..HOSTS {
            for mode in Mode::ALL {
                for (name, port) in [("user-service", mode.port()), ("task-service", mode.port() + 1)] {
                    let service = stack.start_service(name, host, port, mode);
                    stack.others.push(service);
                }
            }
        }
        stack
    }

    /// Starts the Redis of a host, with its data if it ran before.
    fn start_redis(&self, host: usize) -> Child {
        let role = if host == 0 {
            String::new()
        } else {
            format!("replicaof {} {REDIS}", private(0))
        };
        self.start_server("redis", host, &[&role], REDIS)
    }

    fn start_server(&self, name: &str, host: usize, arguments: &[&str], port: u16) -> Child {
        let data = self.folder.join(format!("{name}-{host}"));
        fs::create_dir_all(&data).unwrap();
        let (password, users) = match name {
            "redis" => ("replication/redis", "redis/users.acl"),
            _ => ("sentinel/redis", "sentinels/users.acl"),
        };
        let script = repository().join(format!("redis/sentinel/{name}.sh"));
        let mut command = command_on(host, script.to_str().unwrap());
        command.arg(data).arg(self.folder.join(password)).args(arguments);
        command.args(["--port", &port.to_string(), "--bind", &private(host), &public(host)]);
        command.arg("--aclfile").arg(self.folder.join(users));
        self.spawn(&format!("{name}-{host}"), &mut command)
    }

    fn start_service(&self, name: &str, host: usize, port: u16, mode: Mode) -> Child {
        let sentinels: Vec<_> = (0..HOSTS).map(|host| format!("{}:{SENTINEL}", private(host))).collect();
        let password = self.folder.join(name).join("redis");
        let mut command = command_on(host, std::env::current_exe().unwrap().to_str().unwrap());
        command
            .env(crate::PART, name)
            .env("BIND", format!("{}:{port}", public(host)))
            .env(
                "SESSION_STORE",
                format!(
                    "redis-sentinel://{name}@{}/mymaster/0?sentinel_user={name}",
                    sentinels.join(",")
                ),
            )
            .env("SESSION_STORE_PASSWORD_FILE", &password)
            .env("SESSION_STORE_SENTINEL_PASSWORD_FILE", &password);
        if mode.waits_for_a_replica() {
            command.env("SESSION_STORE_REPLICAS", "1");
        }
        if mode == Mode::Cached {
            command.env("SESSION_CACHE", format!("{}s", BOUND.as_secs()));
        }
        self.spawn(&format!("{name}-{mode:?}-{host}"), &mut command)
    }

    fn spawn(&self, name: &str, command: &mut Command) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("{name}.log")))
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command.spawn().unwrap()
    }

    pub fn kill_redis(&mut self, host: usize) {
        self.redis[host].kill().unwrap();
        self.redis[host].wait().unwrap();
    }

    pub fn restart_redis(&mut self, host: usize) {
        self.redis[host] = self.start_redis(host);
    }

    /// Sends a signal to the Redis of a host.
    pub fn signal_redis(&self, host: usize, signal: &str) {
        let pid = self.redis[host].id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Runs a command on the Redis of a host.
    pub fn redis<T: FromRedisValue>(&self, host: usize, command: &str) -> RedisResult<T> {
        self.run(host, REDIS, command)
    }

    /// Runs a command on the Sentinel of a host.
    pub fn sentinel<T: FromRedisValue>(&self, host: usize, command: &str) -> RedisResult<T> {
        self.run(host, SENTINEL, command)
    }

    fn run<T: FromRedisValue>(&self, host: usize, port: u16, command: &str) -> RedisResult<T> {
        let client = Client::open(format!("redis://admin:{}@{}:{port}", self.password, public(host)))?;
        let mut connection: Connection = client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut connection)
    }

    /// Returns whether a host's Redis is a primary.
    pub fn is_primary(&self, host: usize) -> bool {
        self.redis::<String>(host, "INFO replication")
            .is_ok_and(|info| info.contains("role:master\r"))
    }

    /// Returns the host of the primary, if all Sentinels name the same one.
    pub fn primary(&self) -> Option<usize> {
        let named = (0..HOSTS).map(|host| {
            let address: RedisResult<Vec<String>> = self.sentinel(host, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster");
            address.ok().map(|address| host_of(&address[0]))
        });
        let named: Vec<_> = named.collect::<Option<_>>()?;
        named.iter().all(|host| *host == named[0]).then_some(named[0])
    }

    /// Waits until there is one primary, both replicas follow it, and every Sentinel knows all of that. Returns the primary.
    pub fn wait_until_healthy(&self) -> usize {
        let deadline = Instant::now() + SETTLING;
        loop {
            if let Some(primary) = self.primary()
                && (0..HOSTS).all(|host| self.is_primary(host) == (host == primary))
                && self.has_two_replicas(primary)
                && (0..HOSTS).all(|host| self.sees_everything(host))
            {
                return primary;
            }
            if Instant::now() > deadline {
                self.print_logs();
                panic!("the stack did not become healthy");
            }
            sleep(Duration::from_millis(100));
        }
    }

    fn has_two_replicas(&self, primary: usize) -> bool {
        let info = self.redis::<String>(primary, "INFO replication");
        info.is_ok_and(|info| info.matches("state=online").count() == 2 && info.contains("min_slaves_good_slaves:2\r"))
    }

    fn sees_everything(&self, host: usize) -> bool {
        let flags = |servers: Vec<std::collections::HashMap<String, String>>| -> Vec<String> {
            servers.into_iter().map(|server| server["flags"].clone()).collect()
        };
        let masters = self.sentinel(host, "SENTINEL MASTERS").map(flags);
        let replicas = self.sentinel(host, "SENTINEL REPLICAS mymaster").map(flags);
        let sentinels = self.sentinel(host, "SENTINEL SENTINELS mymaster").map(flags);
        masters.is_ok_and(|flags| flags == ["master"])
            && replicas.is_ok_and(|flags| flags == ["slave", "slave"])
            && sentinels.is_ok_and(|flags| flags == ["sentinel", "sentinel"])
    }

    /// Returns whether no server denied a command. `CLIENT SETINFO` and `INFO` are left out: nothing depends on them.
    pub fn check_permissions(&self) -> bool {
        let mut allowed = true;
        for (host, port) in (0..HOSTS).flat_map(|host| [(host, REDIS), (host, SENTINEL)]) {
            let log: Vec<std::collections::HashMap<String, redis::Value>> = self.run(host, port, "ACL LOG").unwrap();
            for entry in log {
                let text = |name: &str| String::from_redis_value(entry[name].clone()).unwrap_or_default();
                if !["client|setinfo", "info"].contains(&&*text("object")) {
                    println!(
                        "FAIL denied on port {port}: {} {} to {}",
                        text("reason"),
                        text("object"),
                        text("username")
                    );
                    allowed = false;
                }
            }
        }
        allowed
    }

    /// Prints the end of each log, and keeps the files.
    pub fn print_logs(&self) {
        self.keeps_logs.set(true);
        let logs = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        for log in logs.filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
            let text = fs::read_to_string(&log).unwrap();
            let lines: Vec<_> = text.lines().collect();
            println!(
                "--- the end of {}\n{}",
                log.display(),
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for process in self.redis.iter_mut().chain(&mut self.others) {
            let _ = process.kill();
            let _ = process.wait();
        }
        if !self.keeps_logs.get() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn uuid() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .unwrap()
        .trim()
        .to_owned()
}
