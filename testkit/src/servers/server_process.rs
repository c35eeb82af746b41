//! [`ServerProcess`]: a server that a test starts. If it ends by itself, the test fails at once with its output.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take until it is ready. Only one that hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server, which is killed when the value is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    name: String,
    child: Mutex<Child>,
    log: PathBuf,
}

/// A server that ended by itself.
#[derive(Debug)]
pub struct Exit {
    name: String,
    status: ExitStatus,
    log: String,
}

impl Exit {
    /// Returns whether another program had the server's port.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        self.log.to_lowercase().contains("address already in use")
    }
}

impl Display for Exit {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        write!(formatter, "{} ended by itself, {}:\n{end}", self.name, self.status)
    }
}

impl ServerProcess {
    /// Starts a program with its output in the file `log`.
    ///
    /// # Panics
    ///
    /// Panics if the program is missing. The message contains `installation`.
    #[must_use]
    pub fn start(command: &mut Command, log: &Path, installation: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(log).unwrap();
        let errors = output.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} is missing ({error}); {installation}"));
        Self {
            name,
            child: Mutex::new(child),
            log: log.to_owned(),
        }
    }

    /// Waits until the server is ready, which may be seen in its output.
    ///
    /// # Errors
    ///
    /// Returns what is known about the server's end if it ends before.
    ///
    /// # Panics
    ///
    /// Panics with the server's output if it hangs.
    pub fn wait_until(&self, mut is_ready: impl FnMut(&str) -> bool) -> Result<(), Exit> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_ready = is_ready(&self.output());
            // the server that replied may be another one
            if let Some(exit) = self.exit() {
                return Err(exit);
            }
            if is_ready {
                return Ok(());
            }
            assert!(
                Instant::now() < deadline,
                "{} is not ready:\n{}",
                self.name,
                self.output()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Returns what is known about the server's end, if it ended by itself.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        let status = self.child().try_wait().unwrap()?;
        Some(Exit {
            name: self.name.clone(),
            status,
            log: self.output(),
        })
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns the number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Sends a signal, such as `STOP`.
    ///
    /// # Panics
    ///
    /// Panics if the server has ended.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Starts a server, and starts it again if another program has its port.
///
/// # Panics
///
/// Panics with the server's output if it ends for another reason, or if its port is never free.
pub fn start_again<T>(mut start: impl FnMut() -> Result<T, Exit>) -> T {
    let mut attempts = 0;
    loop {
        match start() {
            Ok(server) => return server,
            Err(exit) => {
                attempts += 1;
                assert!(exit.is_address_in_use() && attempts < 5, "{exit}");
                sleep(Duration::from_millis(200));
            }
        }
    }
}
