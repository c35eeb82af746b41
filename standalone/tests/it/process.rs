//! Tests the program that `cargo run` starts.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn program_prints_its_addresses_and_stops_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_standalone"))
        .args(["--bind", "127.0.0.1:0"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let [user, task] = [(); 2].map(|()| lines.next().unwrap().unwrap());
    let base = user.strip_prefix("Open ").unwrap().strip_suffix("/user/").unwrap();
    assert!(base.starts_with("http://127.0.0.1:") && !base.ends_with(":0"), "{user}");
    assert_eq!(task, format!("Open {base}/task/"));

    assert!(
        Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    let mut logs = String::new();
    child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    // sessions in memory are no reason to warn in a single process
    assert!(!logs.contains("WARN"), "{logs}");
}
