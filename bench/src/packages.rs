//! Measures the packages for Python and Node.js, each against the usual sessions of its framework.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::candidate::Candidate;
use crate::framework::{Framework, PACKAGES};
use crate::measure::Distance;
use crate::options::RunOptions;
use crate::process::output;
use crate::results::Results;
use crate::scenario::SCENARIOS;
use crate::{measure, report};

/// Installs the packages, measures them, and writes their table.
pub fn run(options: &RunOptions) -> Result<()> {
    let status = Command::new(format!("{PACKAGES}/install")).status();
    let status = status.context("failed to start the installation")?;
    ensure!(status.success(), "the installation failed");
    let python = output("python3", &["--version"]).unwrap_or_default();
    let node = output("node", &["--version"]).unwrap_or_default();
    let setting = report::setting(options, &format!("{python}, Node.js {}", node.trim_start_matches('v')));
    println!("{setting}");

    let mut table = "| page | requests/s | p99 | shared-session | the other |\n\
                     | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let mut notes = String::new();
    for framework in [Framework::Flask, Framework::Django, Framework::Express] {
        let series = measure::run(options, framework, &SCENARIOS, Distance::default())?;
        let results = Results(&series);
        println!("\n{}\n", framework.name());
        report::print(&results, framework)?;
        table += &rows(&results, framework);
        notes += &report::note_on_default(&results, framework);
    }
    if report::is_complete(options) {
        report::write_table("bench, packages", &setting, &(table + &notes))?;
    }
    Ok(())
}

fn rows(results: &Results, framework: Framework) -> String {
    let row = |scenario| {
        let speed = results.speed(scenario, Candidate::Redis)?;
        let p99 = results.p99(scenario, Candidate::Redis)?.median;
        let [own, other] =
            [Candidate::Redis, Candidate::Alternative].map(|candidate| results.share_of_bare(scenario, candidate));
        let (own, other) = (own?.median, other?.median);
        let page = format!("{}: {}", framework.name(), scenario.name);
        Some(format!("| {page} | {speed} | {p99:.2} | {own:.2} | {other:.2} |\n"))
    };
    SCENARIOS.iter().filter_map(row).collect()
}
