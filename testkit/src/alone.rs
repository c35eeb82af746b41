//! [`alone`] and [`command`]: a test in a process of its own.

use std::any::type_name;
use std::env;
use std::process::Command;

/// Names the test that a process was started for.
const VARIABLE: &str = "SHARED_SESSION_TEST_ALONE";

/// Runs the calling test in a process of its own, because its log or its metrics belong to the process. Returns `true` in that
/// process, and `false` in the calling one, where the test must return.
///
/// # Panics
///
/// Panics with the output of the process if the test fails there.
#[must_use]
pub fn alone<F: Fn()>(test: F) -> bool {
    let Some(mut command) = command(test) else {
        return true;
    };
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // a wrong name runs no test, which is no failure
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{command:?}: {}\n{text}",
        output.status
    );
    false
}

/// Returns the command that runs the calling test in a process of its own, or `None` in such a process.
#[must_use]
pub fn command<F: Fn()>(_test: F) -> Option<Command> {
    // without the crate, as the test is named on the command line
    let (_, test) = type_name::<F>().split_once("::")?;
    if env::var(VARIABLE).is_ok_and(|name| name == test) {
        return None;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--include-ignored", "--nocapture"]);
    command.env(VARIABLE, test);
    Some(command)
}
