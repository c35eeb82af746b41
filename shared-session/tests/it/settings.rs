//! A service without a command line: an invalid variable stops the start with one error that names it, and the log names
//! unknown ones.

use shared_session::{SessionManager, Settings};
use shared_session_testkit::alone;

use crate::log;
use crate::process::example;

#[test]
fn invalid_variable_stops_the_start_and_is_named() {
    for (variable, value) in [
        ("SESSION_STORE", "foo://:secret@host"),
        ("SESSION_STORE_PASSWORD_FILE", "/missing"),
        ("SESSION_TTL", "0s"),
        ("SESSION_FORMAT", "secret"),
        ("SESSION_COOKIE_NAME", ""),
    ] {
        let output = std::process::Command::new(example("fields"))
            .env("BIND", "127.0.0.1:0")
            .env("SESSION_STORE", "redis://localhost")
            .env(variable, value)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(variable), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn unknown_variables_are_logged_once_and_only_if_the_environment_was_read() {
    if let Some(mut command) = alone::command(unknown_variables_are_logged_once_and_only_if_the_environment_was_read) {
        command.env("SESSION_COOKIE_SAMESITE", "hunter2");
        command.env("SESSION_SECRET", "hunter2");
        command.env("SESSION_MANAGER", "local/desktop");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        return;
    }
    let log = log::capture(tracing::Level::WARN);
    let unknown = || log.take().lines().filter(|line| line.contains("unknown")).count();
    SessionManager::new(&Settings::default()).unwrap();
    assert_eq!(unknown(), 0);
    let settings = Settings::from_env().unwrap();
    assert_eq!(unknown(), 0, "the log of an application may not have begun");
    SessionManager::new(&settings).unwrap();
    let text = log.take();
    for warning in [
        "WARN shared_session::settings::environment: unknown variable SESSION_COOKIE_SAMESITE is ignored: did you mean \
         SESSION_COOKIE_SAME_SITE?",
        "WARN shared_session::settings::environment: unknown variable SESSION_SECRET is ignored: shared-session has no such setting",
    ] {
        assert_eq!(text.matches(warning).count(), 1, "{text}");
    }
    assert!(!text.contains("SESSION_MANAGER") && !text.contains("hunter2"), "{text}");
    SessionManager::new(&Settings::from_env().unwrap()).unwrap();
    assert_eq!(unknown(), 0);
}
