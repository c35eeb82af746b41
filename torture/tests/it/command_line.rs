//! The program `torture`, as a user runs it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use torture::{Report, Verdict};

use crate::small_server;

const TORTURE: &str = env!("CARGO_BIN_EXE_torture");

fn torture<S: AsRef<OsStr>>(options: &[&str], server: &[S]) -> Output {
    Command::new(TORTURE)
        .args(options)
        .arg("--")
        .args(server)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_is_refused(output: &Output, message: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(message), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn a_held_promise_is_printed_and_ends_with_0() {
    let output = torture(&["--only", "^fixation$"], &[small_server()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with("held      fixation               old ids that are signed in: 0 of 20\n"),
        "{text}"
    );
    assert!(text.ends_with("1 of 1 promises held.\n"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_broken_promise_is_printed_and_ends_with_1() {
    let output = torture(
        &["--only", "^fixation$"],
        &[small_server().as_os_str(), "fixation".as_ref()],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("FAILED    fixation "), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_report_is_written_as_json_and_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let options = [
        "--name",
        "<mine>",
        "--only",
        "^(fixation|fail-over)$",
        "--without",
        "sentinel",
        "--json",
        "-",
        "--html",
    ];
    let output = torture(&[&options[..], &[page.to_str().unwrap()]].concat(), &[small_server()]);
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.name, "<mine>");
    let verdicts: Vec<_> = report
        .experiments
        .iter()
        .map(|row| (row.name.as_str(), row.outcome.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [("fixation", Verdict::Held), ("fail-over", Verdict::NotTried)]
    );
    let html = std::fs::read_to_string(page).unwrap();
    assert!(
        html.contains("<h1>&#60;mine&#62;</h1>") && html.contains("1 of 1 promises held"),
        "{html}"
    );
    assert!(
        !html.contains("src=") && !html.contains("<link"),
        "the page needs another file"
    );
}

#[test]
fn the_list_names_every_experiment() {
    let output = Command::new(TORTURE).arg("--list").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for experiment in torture::all() {
        assert!(
            text.contains(experiment.promise) && text.contains(experiment.report),
            "{}",
            experiment.name
        );
    }
}

#[test]
fn a_missing_command_is_refused() {
    assert_is_refused(
        &Command::new(TORTURE).output().unwrap(),
        "missing: the command that starts the server, after --",
    );
}

#[test]
fn a_program_that_does_not_exist_is_refused() {
    assert_is_refused(&torture(&[], &["/no/such/program"]), "cannot start /no/such/program");
}

#[test]
fn a_server_that_ends_is_refused_with_its_last_words() {
    let server = ["sh", "-c", "echo no database >&2; exit 3"];
    assert_is_refused(
        &torture(&[], &server),
        "ended before it listened on PORT (exit status: 3); it printed: no database",
    );
}

#[test]
fn a_server_that_does_not_listen_is_refused() {
    assert_is_refused(
        &torture(&[], &["sleep", "1000"]),
        "sleep: does not listen on 127.0.0.1:",
    );
}

#[test]
fn a_server_without_a_route_is_refused() {
    let server = "import http.server, os; http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), \
                  http.server.BaseHTTPRequestHandler).serve_forever()";
    assert_is_refused(
        &torture(&[], &["python3", "-c", server]),
        "POST /session was answered with 501",
    );
}

#[test]
fn a_name_that_no_experiment_has_is_refused() {
    assert_is_refused(
        &torture(&["--only", "nothing"], &["true"]),
        "no experiment matches (--list names all)",
    );
}

#[test]
fn a_missing_redis_server_is_refused() {
    let output = Command::new(TORTURE)
        .args(["--log", "/dev/null", "--", "/bin/true"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert_is_refused(
        &output,
        "redis-server is needed (on Debian: apt-get install redis-server)",
    );
}

#[test]
fn an_interruption_leaves_no_process() {
    // a server that says its process id, and then goes on as the small one
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let server = format!("echo $$ >> {}; exec {}", file.display(), small_server().display());
    let mut command = Command::new(TORTURE);
    command
        .args(["--only", "^(fixation|soak)$", "--", "sh", "-c", &server])
        .stdout(Stdio::piped());
    let mut torture = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(torture.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("fixation"), "{line}");
    let id = torture.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(torture.wait().unwrap().code(), Some(2));
    for id in std::fs::read_to_string(file).unwrap().lines() {
        assert!(
            !std::fs::exists(format!("/proc/{id}")).unwrap(),
            "the server {id} is still there"
        );
    }
}
