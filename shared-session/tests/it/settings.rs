//! A service without a command line: an invalid variable stops the start with one error that names it.

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
