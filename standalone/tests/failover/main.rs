//! Tests fail-overs with the configuration of the stack with Sentinels: three hosts, each with Redis, a Sentinel, user-service and
//! task-service. While users work, the primary is killed, hung, demoted, and isolated together with its host.
//!
//! The hosts are network namespaces. `FAILOVER_ROUNDS` says how often each kind of fail-over takes place; the default is once.

#![allow(clippy::unwrap_used)]

mod caches;
mod fault;
mod network;
mod report;
mod stack;
mod users;

use std::env;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use actix_web::rt::task::spawn_blocking;
use actix_web::rt::time::sleep;

use self::fault::{Fault, KINDS, OBSERVED};
use self::report::Report;
use self::stack::Stack;
use self::users::Site;

/// Names the part that this process plays. It is not set in the process that the user starts.
const PART: &str = "FAILOVER_PART";
const TEST: &str = "test";

fn main() -> ExitCode {
    match env::var(PART).as_deref() {
        Ok("user-service") => service_kit::run(&user_service::SERVICE, user_service::routes),
        Ok("task-service") => service_kit::run(&task_service::SERVICE, task_service::routes),
        Ok(_) => System::new().block_on(test()),
        Err(_) if env::args().any(|argument| argument == "--list") => ExitCode::SUCCESS,
        Err(_) => test_in_namespaces(),
    }
}

/// Runs the test in namespaces of its own, so that the hosts and all processes disappear with it.
fn test_in_namespaces() -> ExitCode {
    // a user namespace, so that root is not needed; if this machine permits none, root is
    let user: &[&str] = &["--user", "--map-root-user"];
    let Some(unshare) = [user, &[]].into_iter().find(|user| may_unshare(user)) else {
        eprintln!(
            "error: the fail-over test needs namespaces: run it as root, or permit user namespaces (packages iproute2, util-linux)"
        );
        return ExitCode::FAILURE;
    };
    let test = env::current_exe().unwrap();
    let status = unshare_with(unshare).arg(test).env(PART, TEST).status().unwrap();
    ExitCode::from(u8::from(!status.success()))
}

fn may_unshare(user: &[&str]) -> bool {
    let mut probe = unshare_with(user);
    probe.args(["mount", "-t", "tmpfs", "tmpfs", "/run"]);
    probe.output().is_ok_and(|probe| probe.status.success())
}

fn unshare_with(user: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(user)
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command
}

async fn test() -> ExitCode {
    let rounds = env::var("FAILOVER_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    network::set_up();
    let mut stack = Stack::start();
    let report = Arc::new(Report::new());
    let site = Site::new(report.clone());
    let users = site.open().await;
    for kind in (0..rounds).flat_map(|_| KINDS) {
        sleep(Duration::from_secs(1)).await;
        let (fault, returned) = spawn_blocking(move || (Fault::cause(kind, &mut stack), stack))
            .await
            .unwrap();
        stack = returned;
        sleep(OBSERVED).await;
        let (outcome, returned) = spawn_blocking(move || (fault.end(&mut stack), stack)).await.unwrap();
        stack = returned;
        report.judge(&outcome);
        caches::wait_until_on(&report).await;
    }
    sleep(Duration::from_secs(1)).await;
    site.close();
    for user in users {
        user.await.unwrap();
    }
    site.check_all().await;
    let passed = report.summarize() & stack.check_permissions();
    if !passed {
        stack.print_logs();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
