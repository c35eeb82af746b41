//! Servers of tests get ports that nobody else has, and a server that does not start is reported with its cause.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, stdin};
use std::net::TcpListener;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use shared_session_testkit::alone;
use shared_session_testkit::servers::{Port, RedisServer, ServerProcess, start_again};

const PROCESSES: usize = 6;
const THREADS: usize = 4;
const PORTS: usize = 50;
/// What a process prints before the ports that it has.
const PREFIX: &str = "ports: ";

/// Reserves ports in several threads at once.
fn reserve() -> Vec<Port> {
    let threads: Vec<_> = (0..THREADS)
        .map(|_| thread::spawn(|| (0..PORTS).map(|_| Port::reserve()).collect::<Vec<_>>()))
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

/// Reads what a process prints, up to its ports.
fn ports_of(process: &mut Child) -> Vec<u16> {
    let output = BufReader::new(process.stdout.as_mut().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    let ports = lines.find_map(|line| Some(line.split_once(PREFIX)?.1.to_owned()));
    let ports = ports.expect("a process ended before it had its ports");
    ports.split(' ').map(|port| port.parse().unwrap()).collect()
}

#[test]
fn processes_and_threads_that_reserve_ports_at_once_get_different_ones() {
    let command = || alone::command(processes_and_threads_that_reserve_ports_at_once_get_different_ones);
    if command().is_none() {
        let ports = reserve();
        let numbers: Vec<_> = ports.iter().map(|port| port.number().to_string()).collect();
        println!("{PREFIX}{}", numbers.join(" "));
        // the other process has them until this one is told to end
        stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let processes = (0..PROCESSES).filter_map(|_| command());
    let mut processes: Vec<Child> = processes
        .map(|mut command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let own = reserve();
    let mut numbers: Vec<u16> = own.iter().map(Port::number).collect();
    numbers.extend(processes.iter_mut().flat_map(ports_of));
    assert_eq!(numbers.len(), (PROCESSES + 1) * THREADS * PORTS);
    let different: HashSet<u16> = numbers.iter().copied().collect();
    assert_eq!(different.len(), numbers.len());
    for process in &mut processes {
        drop(process.stdin.take());
        assert!(process.wait().unwrap().success());
    }
}

#[test]
fn start_is_repeated_if_another_program_has_the_port() {
    let port = Port::reserve();
    let number = port.number().to_string();
    let mut other = Some(TcpListener::bind(("127.0.0.1", port.number())).unwrap());
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{number}"));
    let mut attempts = 0;
    let _server = start_again(|| {
        attempts += 1;
        if attempts == 2 {
            other = None;
        }
        let mut command = Command::new("redis-server");
        command.args(["--port", &number, "--bind", "127.0.0.1", "--save", ""]);
        let server = ServerProcess::start(&mut command, &log, "");
        server
            .wait_until(|output| output.contains("Ready to accept connections"))
            .map(|()| server)
    });
    assert_eq!(attempts, 2);
    fs::remove_file(log).unwrap();
}

#[test]
fn server_that_ends_at_its_start_is_reported_with_its_output() {
    let panic = catch_unwind(|| RedisServer::start_with(&["--no-such-option", "1"]))
        .err()
        .unwrap();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("ended by itself"), "{text}");
    assert!(text.contains("no-such-option"), "{text}");
}
