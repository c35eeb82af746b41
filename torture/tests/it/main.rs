//! The suite's own tests, with a small server that keeps every promise or breaks one.

#![allow(clippy::unwrap_used)]

mod command_line;
mod comparison;
mod experiments;

use std::path::PathBuf;

/// Returns the program of the example `small_server`.
fn small_server() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_torture"));
    let folder = program.parent().unwrap().join("examples");
    let small_server = folder.join("small_server");
    assert!(
        small_server.exists(),
        "missing: {}; build it by cargo build -p torture --examples",
        small_server.display()
    );
    small_server
}
