//! [`Service`]: a process of `examples/fields.rs`, as a deployed service with its own memory and connection.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running service. Dropping it ends the process.
pub struct Service {
    process: Child,
    pub address: String,
}

impl Service {
    /// Starts a service on a free port, with its sessions in `redis` and with further environment variables.
    pub fn start(redis: &str, settings: &[(&str, &str)]) -> Self {
        let mut process = Command::new(example("fields"))
            .env("BIND", "127.0.0.1:0")
            .env("SESSION_STORE", redis)
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // it prints its URL when it accepts connections
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("http://")
            .and_then(|line| line.strip_suffix('/'));
        let Some(address) = address.map(str::to_owned) else {
            panic!("the service did not start: {}", process.wait().unwrap());
        };
        Self { process, address }
    }

    /// Stops the process for this time: its timers go on, and nothing that arrives is read.
    pub fn stall(&self, time: Duration) {
        self.signal("STOP");
        std::thread::sleep(time);
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the path of an example's binary: cargo puts it next to the folder of this test's binary.
pub fn example(name: &str) -> PathBuf {
    let folder = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing; run cargo build --package shared-session --examples",
        path.display()
    );
    path
}
