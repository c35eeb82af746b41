//! [`Cluster`]: sends each command to the node that stores its key.
//!
//! The client's own cluster connection is not used. It repeats commands unasked, so that a compare-and-set can run twice;
//! it stays with a node that hangs; and while it looks for the nodes, all of them wait for the slowest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select_ok;
use parking_lot::{Mutex, RwLock};
use redis::{Cmd, ConnectionAddr, Value};
use tokio::time::{Instant, sleep};

use super::RedisFailure;
use super::connector::{Address, Connector, Endpoint};
use super::failure::Redirection;
use super::inspection::Inspection;
use super::server::{Effect, Server, Timeouts};
use super::slots;
use crate::timeout::until;

/// How often a command follows a redirection. During a migration, `MOVED` and `ASK` make two.
const MAX_REDIRECTIONS: usize = 8;

/// How long a command waits while its slot is not served. This takes a moment when a migration ends.
const PAUSE: Duration = Duration::from_millis(20);

/// A map of the slots that is younger is not fetched again.
const MIN_AGE: Duration = Duration::from_millis(50);

/// How many nodes are asked at once for the map of the slots.
const ASKED_AT_ONCE: usize = 3;

/// The nodes of a cluster.
pub(super) struct Cluster(Arc<Inner>);

struct Inner {
    /// How to connect to a node: that of the URL's first one, whose address is replaced.
    template: Endpoint,
    /// The nodes that the URL names.
    seeds: Vec<Arc<Node>>,
    /// The nodes that are in use, and the number of the next one.
    nodes: Mutex<(HashMap<Address, Arc<Node>>, u64)>,
    map: RwLock<Option<Arc<Map>>>,
    /// Held while the map is fetched, so that concurrent requests fetch it once.
    fetching: tokio::sync::Mutex<()>,
    /// Selects the nodes that are asked first for the map, so that processes ask different ones.
    turn: AtomicUsize,
    timeout: Duration,
    inspection: Arc<Inspection>,
}

/// One node. It keeps its number as long as it is in use.
struct Node {
    number: u64,
    address: Address,
    server: Server,
    /// Whether its last command got no reply. Then the map is fetched before the next one.
    is_suspect: AtomicBool,
}

/// Which nodes store which slots.
struct Map {
    /// The first and the last slot, and the primary, in the order of the slots.
    ranges: Vec<(u16, u16, Arc<Node>)>,
    replicas: Vec<Arc<Node>>,
    fetched: Instant,
}

impl Cluster {
    /// Creates the nodes that the URL names. Does not connect yet.
    pub fn new(servers: Vec<Endpoint>, timeout: Duration, inspection: Arc<Inspection>) -> Self {
        let addresses: Vec<_> = servers.iter().filter_map(|server| address(server.address())).collect();
        let mut inner = Inner {
            template: servers[0].clone(),
            seeds: Vec::new(),
            nodes: Mutex::default(),
            map: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
            turn: AtomicUsize::new(std::process::id() as usize),
            timeout,
            inspection,
        };
        let seeds = addresses.iter().map(|address| inner.node(address));
        inner.seeds = seeds.collect();
        Self(Arc::new(inner))
    }

    /// Runs a command on the node that stores its key, and follows redirections.
    pub async fn run(&self, command: &Cmd, effect: Effect) -> Result<Value, RedisFailure> {
        let deadline = Instant::now() + self.0.timeout;
        let reply = until(deadline, self.route(command, effect)).await;
        reply.unwrap_or_else(|| Err(RedisFailure::no_reply()))
    }

    /// Returns the number of the node that stores a key.
    pub fn shard(&self, key: &str) -> u64 {
        let map = self.0.current();
        map.and_then(|map| Some(map.primary(Some(slots::slot(key.as_bytes())))?.number))
            .unwrap_or_default()
    }

    async fn route(&self, command: &Cmd, effect: Effect) -> Result<Value, RedisFailure> {
        let inner = &*self.0;
        let slot = slots::slot_of(command);
        let patience = Instant::now() + inner.timeout / 2;
        let mut map = match inner.current() {
            Some(map) => map,
            None => inner.fetch(None, None).await?,
        };
        let mut node = map.primary(slot).ok_or_else(RedisFailure::no_node)?;
        let (mut asking, mut redirections) = (false, 0);
        loop {
            if node.is_suspect() && !asking {
                // another node may have taken its place
                map = inner.fetch(Some(&map), None).await.unwrap_or(map);
                node = map.primary(slot).unwrap_or(node);
            }
            let failure = match node.run(command, effect, asking).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            if let Some(redirection) = failure.redirection() {
                redirections += 1;
                let (target, is_asking) = match redirection {
                    Redirection::Moved(target) => (target, false),
                    Redirection::Ask(target) => (target, true),
                };
                let target = slots::redirection(target, &node.address).map(|address| inner.node(&address));
                let Some(target) = target.filter(|_| redirections <= MAX_REDIRECTIONS) else {
                    return Err(RedisFailure::too_many_redirections());
                };
                if !is_asking {
                    // while the command goes on; a failure shows itself at the next command
                    let (inner, seen, first) = (self.0.clone(), map.clone(), target.clone());
                    tokio::spawn(async move { inner.fetch(Some(&seen), Some(first)).await.is_ok() });
                }
                (node, asking) = (target, is_asking);
            } else if failure.is_passing() && Instant::now() < patience {
                sleep(PAUSE).await;
                map = inner.fetch(Some(&map), None).await.unwrap_or(map);
                (node, asking) = (map.primary(slot).unwrap_or(node), false);
            } else if failure.is_reply() || (failure.may_have_run() && effect == Effect::WriteOnce) {
                return Err(failure);
            } else {
                map = inner.fetch(Some(&map), None).await.map_err(|_| failure.clone())?;
                let primary = map.primary(slot).filter(|primary| primary.number != node.number);
                (node, asking) = (primary.ok_or(failure)?, false);
            }
        }
    }
}

impl Inner {
    fn current(&self) -> Option<Arc<Map>> {
        self.map.read().clone()
    }

    /// Returns the node with this address.
    fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = self.nodes.lock();
        let (nodes, last_number) = &mut *nodes;
        if let Some(node) = nodes.get(address) {
            return node.clone();
        }
        *last_number += 1;
        // less than a request waits: so the first request without a reply looks for another node
        let limit = self.timeout * 3 / 5;
        let timeouts = Timeouts {
            connect: limit,
            reply: limit,
        };
        let node = Arc::new(Node {
            number: *last_number,
            address: address.clone(),
            server: Server::new(
                // one for all nodes: a firewall forgets the connections to all of them
                &self.template.address().to_string(),
                Connector::Server(self.template.at(address)),
                timeouts,
                0,
                self.inspection.clone(),
            ),
            is_suspect: AtomicBool::new(false),
        });
        nodes.insert(address.clone(), node.clone());
        node
    }

    /// Fetches the map, unless another request fetched it since this one saw `seen`. Asks `first` before all others.
    async fn fetch(&self, seen: Option<&Arc<Map>>, first: Option<Arc<Node>>) -> Result<Arc<Map>, RedisFailure> {
        // a blocked thread may hold the lock, and must not keep the others from fetching
        let _fetching = until(Instant::now() + self.timeout / 5, self.fetching.lock()).await;
        let current = self.current();
        if let Some(current) = current.as_ref()
            && (current.fetched.elapsed() < MIN_AGE || seen.is_none_or(|seen| !Arc::ptr_eq(seen, current)))
        {
            return Ok(current.clone());
        }
        let mut failure = RedisFailure::no_node();
        for nodes in self.candidates(current.as_deref(), first).chunks(ASKED_AT_ONCE) {
            let asked = nodes.iter().map(|node| Box::pin(self.ask(node)));
            match select_ok(asked).await {
                Ok((map, _)) => {
                    let map = Arc::new(map);
                    self.forget_nodes(&map);
                    *self.map.write() = Some(map.clone());
                    return Ok(map);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Returns the nodes to ask for the map. Those that replied last time come first, and primaries before others, because
    /// there are connections to them.
    fn candidates(&self, map: Option<&Map>, first: Option<Arc<Node>>) -> Vec<Arc<Node>> {
        let mut primaries: Vec<_> = map.map(Map::primaries).unwrap_or_default();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let others = map.into_iter().flat_map(|map| &map.replicas).chain(&self.seeds);
        let mut others: Vec<_> = others.cloned().collect();
        for nodes in [&mut primaries, &mut others] {
            let length = nodes.len().max(1);
            nodes.rotate_left(turn % length);
        }
        let mut candidates: Vec<Arc<Node>> = Vec::new();
        for node in first.into_iter().chain(primaries).chain(others) {
            if !candidates.iter().any(|candidate| candidate.number == node.number) {
                candidates.push(node);
            }
        }
        candidates.sort_by_key(|node| node.is_suspect());
        candidates
    }

    /// Asks a node for the map.
    async fn ask(&self, node: &Node) -> Result<Map, RedisFailure> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        // short, so that there is time to ask others
        let asked = node.server.run(&command, Effect::Read, false);
        let reply = until(Instant::now() + self.timeout / 5, asked).await;
        let reply = reply.ok_or_else(RedisFailure::no_reply)??;
        let ranges = slots::parse_slots(reply, &node.address).ok_or_else(RedisFailure::no_node)?;
        let mut map = Map {
            ranges: Vec::with_capacity(ranges.len()),
            replicas: Vec::new(),
            fetched: Instant::now(),
        };
        for range in ranges {
            map.ranges.push((range.first, range.last, self.node(&range.primary)));
            for replica in &range.replicas {
                map.replicas.push(self.node(replica));
            }
        }
        map.ranges.sort_by_key(|(first, ..)| *first);
        Ok(map)
    }

    /// Closes the connections to nodes that left the cluster.
    fn forget_nodes(&self, map: &Map) {
        let used = map
            .primaries()
            .into_iter()
            .chain(map.replicas.iter().chain(&self.seeds).cloned());
        let used: HashMap<_, _> = used.map(|node| (node.address.clone(), node)).collect();
        self.nodes.lock().0 = used;
    }
}

impl Node {
    async fn run(&self, command: &Cmd, effect: Effect, asking: bool) -> Result<Value, RedisFailure> {
        let reply = self.server.run(command, effect, asking).await;
        let is_suspect = reply.as_ref().is_err_and(|failure| !failure.is_reply());
        if self.is_suspect() != is_suspect {
            self.is_suspect.store(is_suspect, Ordering::Relaxed);
        }
        reply
    }

    fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }
}

impl Map {
    /// Returns the primary of a slot, or that of another slot if there is none.
    fn primary(&self, slot: Option<u16>) -> Option<Arc<Node>> {
        let slot = slot.unwrap_or_default();
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot);
        let range = self.ranges.get(at).or(self.ranges.first())?;
        Some(range.2.clone())
    }

    fn primaries(&self) -> Vec<Arc<Node>> {
        let mut primaries: Vec<Arc<Node>> = Vec::new();
        for (.., node) in &self.ranges {
            if !primaries.iter().any(|primary| primary.number == node.number) {
                primaries.push(node.clone());
            }
        }
        primaries
    }
}

fn address(address: &ConnectionAddr) -> Option<Address> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host.clone(), *port)),
        _ => None,
    }
}
