//! Measures what sessions cost: memory and commands of Redis, and the wait for a replica. `docs/scaling.md` calculates with it.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, Outcome};
use shared_session::{Settings, redis};
use shared_session_testkit::servers::{Certificates, Port, RedisServer};
use tokio::task::JoinSet;

use crate::support::{Door, Stack};

const TTL: Duration = Duration::from_secs(3600);
const SESSIONS: usize = 100_000;

/// Chrome on Windows.
const DEVICE: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// A session of a signed-in user, as Redis stores it.
struct Sample {
    record: Vec<u8>,
    key: String,
    index: String,
    member: String,
}

impl Sample {
    /// Signs in, and makes a change after the old id is forgotten.
    async fn take() -> Self {
        let stack = Stack::in_redis(Door::Actix);
        let signed_out = stack.new_session("insert:draft:1").await;
        let sign_in =
            "/do/renew,insert:userid:%22kky%22,insert:username:%22%ED%99%8D%EA%B8%B8%EB%8F%99%22,remove:draft";
        let signed_in = stack.send_from(0, sign_in, Some(&signed_out), DEVICE).await;
        stack.pass(Duration::from_secs(31));
        for ops in ["insert:a:1", "remove:a"] {
            let response = stack.send(0, &format!("/do/{ops}"), signed_in.cookie.as_deref()).await;
            assert_eq!(response.status, 200);
        }
        let redis = stack.redis.as_ref().unwrap();
        let keys: Vec<String> = redis.run(&["KEYS", "*"]);
        let [index, key] = [true, false].map(|is_index| {
            let mut keys = keys.iter();
            keys.find(|key| key.contains("index") == is_index).unwrap().clone()
        });
        let members: Vec<String> = redis.run(&["ZRANGE", &index, "0", "-1"]);
        Self {
            record: redis.run(&["GET", &key]),
            key,
            index,
            member: members[0].clone(),
        }
    }

    /// Stores copies of the session, each of another user.
    fn store(&self, redis: &RedisServer, with_index: bool) {
        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        for chunk in (0..SESSIONS).collect::<Vec<_>>().chunks(1000) {
            let mut pipeline = redis::pipe();
            for number in chunk {
                let key = numbered(&self.key, *number);
                let mut set = redis::cmd("SET");
                set.arg(key).arg(&self.record).arg("PX").arg(TTL.as_millis() as u64);
                pipeline.add_command(set).ignore();
                if with_index {
                    let index = numbered(&self.index, *number);
                    let member = numbered(&self.member, *number);
                    // a time of today in milliseconds
                    pipeline.zadd(&index, member, 1_800_000_000_123_u64).ignore();
                    pipeline.pexpire(&index, TTL.as_millis() as i64).ignore();
                }
            }
            let () = pipeline.query(&mut connection).unwrap();
        }
    }
}

/// Returns a text of the same length that ends with a number, as `redis-benchmark` writes it.
fn numbered(text: &str, number: usize) -> String {
    format!("{}{number:012}", &text[..text.len() - 12])
}

/// Returns a figure of `INFO`.
fn info(redis: &RedisServer, name: &str) -> f64 {
    let info: String = redis.run(&["INFO", "everything"]);
    let mut lines = info.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn session_takes_at_most_800_bytes_of_redis() {
    let sample = Sample::take().await;
    println!(
        "record of {} bytes: {}",
        sample.record.len(),
        String::from_utf8_lossy(&sample.record)
    );
    let redis = RedisServer::start();
    let keys = [numbered(&sample.key, 1), numbered(&sample.index, 1)];
    let before = info(&redis, "used_memory");
    sample.store(&redis, true);
    let each = (info(&redis, "used_memory") - before) / SESSIONS as f64;
    let usage = keys.map(|key| redis.run::<u64>(&["MEMORY", "USAGE", &key]));
    println!("{SESSIONS} sessions take {each:.0} bytes each; MEMORY USAGE says {usage:?} for the record and the index");
    assert!(each < 800.0, "{each}");
}

/// A server with one replica.
fn pair(start: fn(&[&str]) -> RedisServer, options: &[&str]) -> (RedisServer, RedisServer) {
    let primary = start(&[&["--repl-diskless-sync-delay", "0"], options].concat());
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = start(&["--replicaof", &of]);
    while !primary.replicates_to(1) {}
    (primary, replica)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn speed_of_redis_is_known() {
    let sample = Sample::take().await;
    let certificates = Certificates::new();
    let tls_port = Port::reserve();
    let mut options = certificates.options("server", "no");
    options.extend(["--tls-port".to_owned(), tls_port.number().to_string()]);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (primary, replica) = pair(RedisServer::start_with, &options);
    sample.store(&primary, false);
    let script = compare_and_set(&primary, &sample.record).await;
    let key = format!("{}__rand_int__", &sample.key[..sample.key.len() - 12]);
    let (record, ttl) = (
        String::from_utf8(sample.record.clone()).unwrap(),
        TTL.as_millis().to_string(),
    );
    let getex = ["GETEX", &key, "PX", &ttl];
    let evalsha = ["EVALSHA", &script, "1", &key, &record, &record, &ttl];
    let ca = certificates.certificate("ca").display().to_string();
    let (port, tls_port) = (primary.port().to_string(), tls_port.number().to_string());
    let (plain, tls) = (&["-p", &port][..], &["-p", &tls_port, "--tls", "--cacert", &ca][..]);
    for (to, pipeline) in [(plain, "1"), (plain, "16"), (tls, "1")] {
        for command in [&getex[..], &evalsha[..]] {
            let arguments = [to, &["-q", "-c", "50", "-P", pipeline], command].concat();
            let figures = benchmark(&primary, &arguments);
            println!("{}, {pipeline} in flight on {to:?}: {figures}", command[0]);
        }
    }
    let stats: String = primary.run(&["INFO", "commandstats"]);
    for name in ["cmdstat_getex", "cmdstat_evalsha"] {
        let line = stats.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains("failed_calls=0"), "{line}");
    }
    drop((primary, replica));
    let (valkey, _replica) = pair(RedisServer::start_valkey, &[]);
    sample.store(&valkey, false);
    let set = ["SET", &key, &record, "IFEQ", &record, "PX", &ttl];
    let port = valkey.port().to_string();
    for pipeline in ["1", "16"] {
        for command in [&getex[..], &set[..]] {
            let arguments = [&["-p", &port, "-q", "-c", "50", "-P", pipeline], command].concat();
            let figures = benchmark(&valkey, &arguments);
            println!("{}, {pipeline} in flight, Valkey: {figures}", command[0]);
        }
    }
}

/// Runs `redis-benchmark`, and returns what a command costs Redis.
fn benchmark(redis: &RedisServer, arguments: &[&str]) -> String {
    let count = 200_000;
    let names = [
        "used_cpu_user_main_thread",
        "used_cpu_sys_main_thread",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "total_net_repl_output_bytes",
    ];
    let before = names.map(|name| info(redis, name));
    let began = Instant::now();
    let output = Command::new("redis-benchmark")
        .args(["-n", &count.to_string(), "-r", &SESSIONS.to_string()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    let after = names.map(|name| info(redis, name));
    let [user, system, input, output, replication] =
        [0, 1, 2, 3, 4].map(|at| (after[at] - before[at]) / f64::from(count));
    // the second of these includes the third
    let output = output - replication;
    let time = user + system;
    format!(
        "{rate:.0} a second; processor time {:.1} us, so {:.0} a second of it; bytes in {input:.0}, out {output:.0}, to the \
         replica {replication:.0}",
        time * 1e6,
        1.0 / time
    )
}

/// Returns the SHA-1 of the library's script that replaces a record.
async fn compare_and_set(redis: &RedisServer, record: &[u8]) -> String {
    let backend = redis.backend(Duration::from_secs(5));
    assert!(backend.create("sample", record, TTL).await.unwrap());
    let () = redis.run(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    for _ in 0..2 {
        let outcome = backend.replace("sample", record, record, TTL).await.unwrap();
        assert!(matches!(outcome, Outcome::Applied));
    }
    let () = redis.run(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    let () = redis.run(&["CONFIG", "RESETSTAT"]);
    let log: Vec<(u64, u64, u64, Vec<String>, String, String)> = redis.run(&["SLOWLOG", "GET", "10"]);
    let mut commands = log.into_iter().map(|(_, _, _, command, ..)| command);
    let command = commands.find(|command| command[0] == "EVALSHA").unwrap();
    command[1].clone()
}

/// How long each round measures.
const ROUND: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn confirmed_change_costs_one_more_command() {
    let sample = Sample::take().await;
    let (primary, _replica) = pair(RedisServer::start_with, &[]);
    for concurrency in [1, 32] {
        let (mut rates, mut ratios) = ([const { Vec::new() }; 2], Vec::new());
        let mut commands = [[0.0; 3]; 2];
        for round in 0..40 {
            let replicas = round % 2;
            let () = primary.run(&["CONFIG", "RESETSTAT"]);
            let began = Instant::now();
            let changes = change(&primary, &sample, replicas, concurrency).await;
            let rate = f64::from(changes) / began.elapsed().as_secs_f64();
            let calls = |name: &str| primary.calls(&[name]) as f64 / f64::from(changes);
            let replicas = replicas as usize;
            commands[replicas] = ["getex", "evalsha", "wait"].map(calls);
            rates[replicas].push(rate);
            if replicas == 1 {
                ratios.push(rate / rates[0].last().unwrap());
            }
            let [read, write, wait] = commands[replicas];
            assert!(
                (read - 1.0).abs() < 0.01 && (write - 1.0).abs() < 0.01,
                "{read} {write}"
            );
            // on a busy machine a replica is asked again
            assert!(wait <= replicas as f64 * 1.5, "{wait}");
        }
        let [without, with] = rates.map(median);
        println!(
            "{concurrency} at once: {without:.0} changes a second without, {with:.0} with, {:.2} in the median of pairs; GETEX, \
             EVALSHA and WAIT for a change: {:.2?} without, {:.2?} with",
            median(ratios),
            commands[0],
            commands[1]
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Changes sessions until the round ends, and returns how often.
async fn change(primary: &RedisServer, sample: &Sample, replicas: u32, concurrency: usize) -> u32 {
    let settings = Settings::default().with_store(&primary.url()).unwrap();
    let settings = settings
        .with_store_replicas(replicas)
        .with_store_timeout(Duration::from_secs(20));
    let backend = Arc::new(Redis::new(Connection::open(&settings.unwrap()).unwrap()));
    let ends = Instant::now() + ROUND;
    let mut users = JoinSet::new();
    for user in 0..concurrency {
        let (backend, key) = (backend.clone(), numbered(&sample.key, user));
        let records = [
            sample.record.clone(),
            [&sample.record[..sample.record.len() - 1], b" }"].concat(),
        ];
        users.spawn(async move {
            backend.create(&key, &records[0], TTL).await.unwrap();
            let mut changes = 0;
            while Instant::now() < ends {
                let record = backend.load(&key, TTL).await.unwrap().unwrap();
                let new = &records[usize::from(record == records[0])];
                let outcome = backend.replace(&key, &record, new, TTL).await.unwrap();
                assert!(matches!(outcome, Outcome::Applied));
                changes += 1;
            }
            changes
        });
    }
    users.join_all().await.into_iter().sum()
}
