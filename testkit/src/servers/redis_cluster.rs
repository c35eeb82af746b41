//! [`RedisCluster`]: the Redis processes of a cluster for tests, on free ports of 127.0.0.1.

use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::FromRedisValue;
use shared_session::Settings;
use shared_session::backend::redis::{Connection, Redis};

use super::port::Port;
use super::redis_server::RedisServer;
use super::server_process::start_again;

/// The number of slots of every cluster.
const SLOTS: u16 = 16_384;

/// After this time without a reply, the nodes of the cluster take a node for dead.
const NODE_TIMEOUT: Duration = Duration::from_millis(1000);

/// A cluster of Redis processes. The first ones are the primaries at the start; the replicas follow, shard by shard.
pub struct RedisCluster {
    nodes: Vec<Node>,
    primaries: usize,
    options: Vec<String>,
    uses_tls: bool,
    /// The beginning of the URL's part for the login.
    login: String,
}

struct Node {
    server: RedisServer,
    tls_port: Port,
    bus_port: Port,
    id: String,
}

impl RedisCluster {
    /// Starts a cluster of three primaries with a replica each.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed, or if the nodes do not form a cluster.
    #[must_use]
    pub fn start() -> Self {
        Self::with_shards(3, &[0, 1, 2], &[])
    }

    /// Starts a cluster of primaries, with one replica for each shard in `replicated`, and with more options of Redis.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed, or if the nodes do not form a cluster.
    #[must_use]
    pub fn with_shards(primaries: usize, replicated: &[usize], options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::launch(primaries, replicated, options, false)
    }

    /// Starts a cluster of three primaries, the first one with a replica, with TLS between all nodes, from options such as
    /// `--tls-cert-file`. The ports without TLS remain, for the test itself.
    ///
    /// # Panics
    ///
    /// Panics if `redis-server` is not installed, or if the nodes do not form a cluster.
    #[must_use]
    pub fn with_tls(options: &[String]) -> Self {
        let mut options = options.to_vec();
        options.extend(["--tls-cluster", "yes", "--tls-replication", "yes"].map(str::to_owned));
        Self::launch(3, &[0], options, true)
    }

    fn launch(primaries: usize, replicated: &[usize], options: Vec<String>, uses_tls: bool) -> Self {
        let nodes = (0..primaries + replicated.len()).map(|_| Node::start(&options, uses_tls));
        let cluster = Self {
            nodes: nodes.collect(),
            primaries,
            options,
            uses_tls,
            login: String::new(),
        };
        cluster.join(replicated);
        cluster
    }

    fn join(&self, replicated: &[usize]) {
        let first_slot = |shard: usize| u16::try_from(usize::from(SLOTS) * shard / self.primaries).unwrap();
        for (shard, node) in self.nodes[..self.primaries].iter().enumerate() {
            let (first, last) = (first_slot(shard).to_string(), (first_slot(shard + 1) - 1).to_string());
            let () = node.server.run(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            // without distinct epochs, the nodes first have to settle them
            let () = node
                .server
                .run(&["CLUSTER", "SET-CONFIG-EPOCH", &(shard + 1).to_string()]);
        }
        for node in &self.nodes[1..] {
            let (port, bus_port) = (
                self.announced_port(node).to_string(),
                node.bus_port.number().to_string(),
            );
            let () = self.run(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]);
        }
        let count = format!("cluster_known_nodes:{}\r", self.nodes.len());
        self.wait("the nodes know each other", || {
            let mut nodes = 0..self.nodes.len();
            nodes.all(|node| self.run::<String>(node, &["CLUSTER", "INFO"]).contains(&count))
                && !self.run::<String>(0, &["CLUSTER", "NODES"]).contains("handshake")
        });
        for (replica, shard) in (self.primaries..).zip(replicated) {
            self.wait("a replica finds its primary", || {
                let nodes: String = self.run(replica, &["CLUSTER", "NODES"]);
                let primary = nodes.lines().find(|line| line.starts_with(&self.nodes[*shard].id));
                primary.is_some_and(|primary| !primary.contains("handshake"))
            });
            let () = self.run(replica, &["CLUSTER", "REPLICATE", &self.nodes[*shard].id]);
        }
        self.wait_until_complete();
    }

    /// Waits until every running node takes the cluster for complete and every replica has its primary's data.
    ///
    /// # Panics
    ///
    /// Panics if this takes too long.
    pub fn wait_until_complete(&self) {
        self.wait("the cluster is complete", || {
            let mut running = self.running();
            running.all(|node| {
                let replication: String = self.run(node, &["INFO", "replication"]);
                let state: String = self.run(node, &["CLUSTER", "INFO"]);
                let slots: redis::Value = self.run(node, &["CLUSTER", "SLOTS"]);
                state.contains("cluster_state:ok")
                    && !replication.contains("master_link_status:down")
                    && format!("{slots:?}").matches("127.0.0.1").count() >= self.running().count()
            })
        });
    }

    fn wait(&self, condition: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            let states = || {
                self.running()
                    .map(|node| self.run::<String>(node, &["CLUSTER", "NODES"]))
            };
            let mut exits = self.nodes.iter().filter_map(|node| node.server.exit());
            if let Some(exit) = exits.next() {
                panic!("{condition}: {exit}");
            }
            assert!(
                Instant::now() < deadline,
                "not in time: {condition}: {:#?}",
                states().collect::<Vec<_>>()
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].server.is_running())
    }

    /// Returns the port by which the nodes know a node.
    fn announced_port(&self, node: &Node) -> u16 {
        if self.uses_tls {
            node.tls_port.number()
        } else {
            node.server.port()
        }
    }

    /// Returns the URL of the cluster, which names every node.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_by("127.0.0.1")
    }

    /// Returns the URL of the cluster with another name of this machine.
    #[must_use]
    pub fn url_by(&self, host: &str) -> String {
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|node| format!("{host}:{}", self.announced_port(node)));
        let nodes = nodes.collect::<Vec<_>>().join(",");
        let scheme = if self.uses_tls { "rediss" } else { "redis" };
        format!("{scheme}-cluster://{}{nodes}", self.login)
    }

    /// Creates a user on every node, with ACL rules that permit something. The URL names it from now on.
    pub fn set_login(&mut self, user: &str, password: &str, rules: &str) {
        let password_rule = format!(">{password}");
        let mut command = vec!["ACL", "SETUSER", user, "reset", "on", &password_rule];
        command.extend(rules.split_whitespace());
        for node in self.running() {
            let () = self.run(node, &command);
        }
        self.login = format!("{user}:{password}@");
    }

    /// Creates a backend on this cluster.
    #[must_use]
    pub fn backend(&self, timeout: Duration) -> Redis {
        let settings = Settings::default().with_store_timeout(timeout);
        let settings = settings.and_then(|settings| settings.with_store(&self.url())).unwrap();
        Redis::new(Connection::open(&settings).unwrap())
    }

    /// Returns the servers, whose numbers the other methods take.
    pub fn servers(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().map(|node| &node.server)
    }

    /// Runs a command on one node, and returns its reply.
    #[must_use]
    pub fn run<T: FromRedisValue>(&self, node: usize, command: &[&str]) -> T {
        self.nodes[node].server.run(command)
    }

    /// Returns the slot of a key.
    #[must_use]
    pub fn slot(&self, key: &str) -> u16 {
        let node = self.running().next().expect("no node is running");
        self.run(node, &["CLUSTER", "KEYSLOT", key])
    }

    /// Returns the node that is the primary of a key's slot, as the running nodes see it.
    ///
    /// # Panics
    ///
    /// Panics if no running node is.
    #[must_use]
    pub fn primary_of(&self, key: &str) -> usize {
        let slot = self.slot(key);
        let mut running = self.running();
        let primary = running.find(|node| self.is_primary_of(*node, slot));
        primary.unwrap_or_else(|| panic!("no node serves slot {slot}"))
    }

    fn is_primary_of(&self, node: usize, slot: u16) -> bool {
        let nodes: String = self.run(node, &["CLUSTER", "NODES"]);
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
        let words: Vec<_> = own.split(' ').collect();
        let ranges = words.iter().skip(8).filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?))
        });
        words.get(2).is_some_and(|flags| flags.contains("master")) && { ranges }
            .any(|(first, last)| (first..=last).contains(&slot))
    }

    /// Returns the replicas of a primary.
    #[must_use]
    pub fn replicas_of(&self, primary: usize) -> Vec<usize> {
        let replicas: Vec<String> = self.run(primary, &["CLUSTER", "REPLICAS", &self.nodes[primary].id]);
        let number = |line: &String| self.nodes.iter().position(|node| line.starts_with(&node.id)).unwrap();
        replicas.iter().map(number).collect()
    }

    /// Returns a key of the form `prefix` and a number whose primary is `node`.
    #[must_use]
    pub fn key_on(&self, node: usize, prefix: &str) -> String {
        let mut keys = (0..).map(|number| format!("{prefix}{number}"));
        keys.find(|key| self.is_primary_of(node, self.slot(key))).unwrap()
    }

    /// Kills a node, like a power cut.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].server.kill();
    }

    /// Starts a killed node with its data, and waits until it replies.
    pub fn restart(&mut self, node: usize) {
        let options = self.nodes[node].options(&self.options, self.uses_tls);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.nodes[node].server.restart(&options);
    }

    /// Suspends a node: its connections stay open, and commands get no reply.
    pub fn freeze(&self, node: usize) {
        self.nodes[node].server.freeze();
    }

    /// Resumes a node.
    pub fn thaw(&self, node: usize) {
        self.nodes[node].server.thaw();
    }

    /// Waits until one of `nodes` is a primary.
    ///
    /// # Panics
    ///
    /// Panics if this takes too long.
    pub fn wait_for_promotion(&self, nodes: &[usize]) {
        self.wait("a replica is promoted", || {
            let mut roles = nodes
                .iter()
                .map(|node| self.run::<String>(*node, &["INFO", "replication"]));
            roles.any(|role| role.contains("role:master"))
        });
    }

    /// Makes `to` import a slot, and its primary migrate it. Until [`finish_migration`](RedisCluster::finish_migration),
    /// the old primary serves the keys that it still holds and redirects requests for the others with `ASK`.
    pub fn begin_migration(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let () = self.run(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.nodes[from].id]);
        let () = self.run(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.nodes[to].id]);
    }

    /// Moves the keys of a slot, one at a time.
    pub fn migrate_keys(&self, slot: u16, from: usize, to: usize) {
        let (slot, port) = (slot.to_string(), self.announced_port(&self.nodes[to]).to_string());
        loop {
            let keys: Vec<String> = self.run(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "1"]);
            let Some(key) = keys.first() else { return };
            let _: String = self.run(from, &["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        }
    }

    /// Gives a slot to `to`. The nodes redirect requests for it with `MOVED` from now on.
    pub fn finish_migration(&self, slot: u16, from: usize, to: usize) {
        for node in [to, from] {
            let () = self.run(
                node,
                &["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &self.nodes[to].id],
            );
        }
    }

    /// Moves a slot with its keys.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.begin_migration(slot, from, to);
        self.migrate_keys(slot, from, to);
        self.finish_migration(slot, from, to);
    }

    /// Returns how often the commands were called on all running nodes since the last `CONFIG RESETSTAT`.
    #[must_use]
    pub fn calls(&self, names: &[&str]) -> u64 {
        self.running().map(|node| self.nodes[node].server.calls(names)).sum()
    }

    /// Makes every key expire earlier, as if time had passed.
    pub fn age(&self, by: Duration) {
        for node in self.running() {
            if self
                .run::<String>(node, &["INFO", "replication"])
                .contains("role:master")
            {
                self.nodes[node].server.age(by);
            }
        }
    }
}

impl Node {
    fn start(options: &[String], uses_tls: bool) -> Self {
        start_again(|| {
            let mut node = Self {
                server: RedisServer::stopped(),
                tls_port: Port::reserve(),
                bus_port: Port::reserve(),
                id: String::new(),
            };
            let options = node.options(options, uses_tls);
            node.server
                .spawn(&options.iter().map(String::as_str).collect::<Vec<_>>());
            node.server.wait()?;
            node.id = node.server.run(&["CLUSTER", "MYID"]);
            Ok(node)
        })
    }

    /// Returns the options of Redis for this node.
    fn options(&self, options: &[String], uses_tls: bool) -> Vec<String> {
        let [tls_port, bus_port] = [&self.tls_port, &self.bus_port].map(|port| port.number().to_string());
        let timeout = NODE_TIMEOUT.as_millis().to_string();
        let mut own = vec!["--cluster-enabled", "yes", "--cluster-port", &bus_port];
        own.extend(["--cluster-node-timeout", &timeout, "--cluster-announce-ip", "127.0.0.1"]);
        // a dead shard is no reason for the others to refuse commands
        own.extend(["--cluster-require-full-coverage", "no"]);
        // the defaults of 5 s and 10 s are longer than a test, and until the first ping no replica counts
        own.extend(["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]);
        // no replica moves to another shard
        own.extend(["--cluster-allow-replica-migration", "no"]);
        if uses_tls {
            own.extend(["--tls-port", &tls_port]);
        }
        own.into_iter()
            .map(str::to_owned)
            .chain(options.iter().cloned())
            .collect()
    }
}
