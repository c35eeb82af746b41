//! [`Process`]: a program in a process group of its own, which ends with the value.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Process {
    child: Child,
    /// Whether the program may end by itself, and is asked to first.
    gently: bool,
}

impl Process {
    /// Starts a program that writes to the end of the file `output`.
    pub(super) fn start(command: &mut Command, output: &Path) -> Result<Self> {
        let name = command.get_program().to_owned();
        let log = File::options()
            .create(true)
            .append(true)
            .open(output)
            .with_context(|| format!("cannot write {}", output.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", name.display()))?;
        Ok(Self { child, gently: false })
    }

    /// Lets the program end by itself when this value is dropped, for what it has to clean up.
    pub(super) fn gently(mut self) -> Self {
        self.gently = true;
        self
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the status of a program that has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops all processes of the group, as a suspended machine does.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends all processes of the group at once.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // a group that has ended needs no signal
        let _ = group.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.gently {
            self.signal(Signal::TERM);
            self.resume();
            let end = Instant::now() + GRACE;
            while self.ended().is_none() && Instant::now() < end {
                sleep(Duration::from_millis(5));
            }
        }
        self.kill();
    }
}
