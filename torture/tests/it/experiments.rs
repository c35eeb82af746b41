//! Each experiment holds on a server that keeps its promise, and fails on one that breaks it.

use std::ffi::OsString;
use std::process::Command;

use futures_util::{StreamExt as _, stream};
use torture::{Experiment, Lab, Outcome, Verdict, all};

use crate::small_server;

/// Experiments at the same time. They wait more than they work.
const AT_ONCE: usize = 8;

/// Returns the experiments, those that take long first, so that the others run beside them.
fn long_ones_first() -> Vec<&'static Experiment> {
    let mut experiments: Vec<_> = all().collect();
    experiments.sort_by_key(|experiment| !experiment.is_long);
    experiments
}

/// Runs an experiment on the small server, which breaks a promise if `fault` names one.
async fn run(experiment: &Experiment, fault: Option<&str>) -> Outcome {
    let mut command = vec![small_server().into_os_string()];
    command.extend(fault.map(OsString::from));
    experiment.run(&Lab::new(command).unwrap()).await
}

/// Returns the faults of the small server.
fn faults() -> Vec<String> {
    let output = Command::new(small_server()).arg("--faults").output().unwrap();
    let faults = String::from_utf8(output.stdout).unwrap();
    faults
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Returns the experiment that has to notice a fault: that of the same name, or of the part before its last word.
fn experiment_for(fault: &str) -> Option<&'static Experiment> {
    let general = fault.rsplit_once('-').map_or(fault, |(general, _)| general);
    let named = |name: &str| all().find(|experiment| experiment.name == name);
    named(fault).or_else(|| named(general))
}

#[tokio::test]
#[ignore = "takes a minute: run it with --ignored"]
async fn each_promise_holds_on_a_server_that_keeps_it() {
    let outcomes =
        stream::iter(long_ones_first()).map(|experiment| async move { (experiment.name, run(experiment, None).await) });
    let broken: Vec<_> = outcomes
        .buffer_unordered(AT_ONCE)
        .filter(|(_, outcome)| std::future::ready(outcome.verdict != Verdict::Held))
        .collect()
        .await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
#[ignore = "takes a minute: run it with --ignored"]
async fn each_experiment_fails_on_a_server_that_breaks_its_promise() {
    let mut faults = faults();
    faults.sort_by_key(|fault| experiment_for(fault).is_none_or(|experiment| !experiment.is_long));
    let outcomes = stream::iter(&faults).map(|fault| async move {
        let experiment = experiment_for(fault).unwrap_or_else(|| panic!("no experiment notices {fault}"));
        (fault, run(experiment, Some(fault)).await)
    });
    let unnoticed: Vec<_> = outcomes
        .buffer_unordered(AT_ONCE)
        .filter(|(_, outcome)| std::future::ready(outcome.verdict != Verdict::Failed))
        .collect()
        .await;
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn each_experiment_has_a_server_that_breaks_its_promise() {
    let faults = faults();
    let noticed: Vec<_> = faults
        .iter()
        .filter_map(|fault| experiment_for(fault))
        .map(|experiment| experiment.name)
        .collect();
    let without: Vec<_> = all()
        .map(|experiment| experiment.name)
        .filter(|name| !noticed.contains(name))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn each_experiment_says_why_it_matters() {
    for experiment in all() {
        assert!(experiment.why.ends_with('.'), "{}", experiment.name);
        assert!(experiment.report.starts_with("https://"), "{}", experiment.name);
        assert!(
            !experiment.promise.ends_with('.') && !experiment.counts.is_empty(),
            "{}",
            experiment.name
        );
    }
}

#[tokio::test]
async fn an_experiment_that_cannot_be_carried_out_is_stopped() {
    let outcome = all()
        .next()
        .unwrap()
        .run(&Lab::new(vec!["false".into()]).unwrap())
        .await;
    assert_eq!(outcome.verdict, Verdict::Stopped);
    assert!(
        outcome.figure.contains("ended before it listened"),
        "{}",
        outcome.figure
    );
}
