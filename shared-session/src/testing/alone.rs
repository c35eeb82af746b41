//! [`alone`]: a test in a process of its own.

use std::any::type_name;
use std::env;
use std::process::Command;

/// Names the test that the process runs alone.
const VARIABLE: &str = "SHARED_SESSION_TEST_ALONE";

/// Gives the calling test a process of its own, for what belongs to a process, such as its log and its metrics. Returns `true`
/// in that process. In any other, runs the test in a new process and returns `false`, upon which the test returns.
///
/// # Panics
///
/// Panics with the output of the process if the test fails there.
#[must_use]
pub fn alone<F: Fn()>(_test: F) -> bool {
    // without the crate, as the test is named on the command line
    let (_, test) = type_name::<F>().split_once("::").expect("a test has a path");
    if env::var(VARIABLE).is_ok_and(|name| name == test) {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command
        .args([test, "--exact", "--include-ignored"])
        .env(VARIABLE, test)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // a wrong name runs no test, which is no failure
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} in its own process: {}\n{text}",
        output.status
    );
    false
}
