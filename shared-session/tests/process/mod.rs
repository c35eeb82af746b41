//! A process of `examples/fields.rs`: a service as it is deployed, with its own memory and its own connection.

#![allow(clippy::unwrap_used)]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running service; it ends with the value.
pub struct Service {
    process: Child,
    pub address: String,
}

impl Service {
    /// Starts a service on a free port, with its sessions at `redis` and more environment variables.
    pub fn start(redis: &str, settings: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(example("fields"))
            .env("BIND", &address)
            .env("SESSION_STORE", redis)
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..400 {
            if TcpStream::connect(&address).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Self { process, address }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo puts examples beside the folder of this test's own binary.
fn example(name: &str) -> PathBuf {
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
        "{} is needed: cargo build --package shared-session --examples",
        path.display()
    );
    path
}
