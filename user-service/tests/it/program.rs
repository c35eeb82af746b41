//! Runs the program of the service.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

pub fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-service"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command
}

pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    program(arguments, variables).output().unwrap()
}

/// Checks that the program failed with one line on standard error, and returns the line.
pub fn error_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("error: ") && text.ends_with('\n'), "{text}");
    assert!(output.stdout.is_empty());
    text
}

/// A running program. It is killed if the test does not terminate it.
pub struct Process {
    child: Child,
    logs: BufReader<ChildStderr>,
    /// The lines up to the one with the address.
    first_lines: String,
    pub address: String,
}

impl Process {
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program(&[&["--bind", "127.0.0.1:0"], arguments].concat(), variables);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut logs = BufReader::new(child.stderr.take().unwrap());
        let mut first_lines = String::new();
        let address = loop {
            let start = first_lines.len();
            assert_ne!(
                logs.read_line(&mut first_lines).unwrap(),
                0,
                "no address in {first_lines}"
            );
            let line = &first_lines[start..];
            // in text and in JSON
            let address = line.split_once("address=").or(line.split_once("\"address\":\""));
            if let Some((_, address)) = address {
                break address.split([' ', '"', '\n']).next().unwrap().to_owned();
            }
        };
        Self {
            child,
            logs,
            first_lines,
            address,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends SIGTERM, as a container engine does, and returns all logs.
    pub fn terminate(mut self) -> String {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let mut text = std::mem::take(&mut self.first_lines);
        self.logs.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "{text}");
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
