//! Measures `SESSION_CACHE`: what it gives and what it costs.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::load::{Load, Measurement};
use crate::measure::{self, Distance};
use crate::news::News;
use crate::options::RunOptions;
use crate::process::{Cores, Process};
use crate::report;
use crate::results::{Results, Spread};
use crate::scenario::{CACHE_SCENARIOS, Sessions};

/// How much longer a round trip takes over the network.
const DELAY: Duration = Duration::from_millis(1);

/// Measures, prints all figures, and writes the tables into the document.
pub fn run(options: &RunOptions) -> Result<()> {
    let setting = report::setting(options, &format!("worker threads: {}", options.workers));
    println!("{setting}\n");
    let mut text = rates(options)?;
    if options.only.is_empty() {
        text += &latencies(options)?;
        text += &commands(options)?;
        text += &News::measure(options)?;
    }
    println!("{text}");
    if report::is_complete(options) {
        report::write_table("bench, cache", &setting, &text)?;
    }
    Ok(())
}

/// Returns the table of requests per second.
fn rates(options: &RunOptions) -> Result<String> {
    let series = measure::run(options, Framework::Actix, &CACHE_SCENARIOS, Distance::default())?;
    let results = Results(&series);
    report::print(&results, Framework::Actix)?;
    let mut table = "| with the cache, in relation to | `memory:` | the page without a session | actix-session \
                     | without the cache | processor time, without the cache |\n\
                     | --- | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for scenario in &CACHE_SCENARIOS {
        let to = |other, value| results.relation((scenario, Candidate::Cache), (scenario, other), value);
        let cells = [
            to(Candidate::Memory, Measurement::rate),
            results.share_of_bare(scenario, Candidate::Cache),
            to(Candidate::Alternative, Measurement::rate),
            to(Candidate::Redis, Measurement::rate),
            to(Candidate::Redis, Measurement::cost),
        ];
        let cells = cells.map(|cell| cell.map_or_else(String::new, |spread| spread.to_string()));
        table += &format!("| {} | {} |\n", scenario.name, cells.join(" | "));
    }
    Ok(table)
}

/// Returns the table of the times of a read over a network, one request at a time.
fn latencies(options: &RunOptions) -> Result<String> {
    let options = RunOptions {
        connections: 1,
        ..options.clone()
    };
    let scenario = &CACHE_SCENARIOS[0];
    let p50 = |measurement: &Measurement| measurement.p50.as_secs_f64();
    let mut rows = scenario
        .candidates
        .iter()
        .map(|candidate| (*candidate, String::new()))
        .collect::<Vec<_>>();
    for to_servers in [Duration::ZERO, DELAY] {
        let distance = Distance {
            to_redis: DELAY,
            to_servers,
        };
        let series = measure::run(&options, Framework::Actix, &CACHE_SCENARIOS[..1], distance)?;
        let results = Results(&series);
        report::print(&results, Framework::Actix)?;
        for (series, (candidate, row)) in series.iter().zip(&mut rows) {
            let millis = Spread::new(series.rounds.iter().map(|round| p50(round) * 1000.0)).median;
            let ratio = results.relation((scenario, *candidate), (scenario, Candidate::Bare), p50);
            let ratio = ratio.map_or_else(String::new, |ratio| ratio.to_string());
            *row += &format!(" {millis:.3} ms | {ratio} |");
        }
    }
    let mut table = "\nReads one after the other, with Redis 1 ms away. Ratios are to the page without a session.\n\n\
                     | p50 of a read | client near | ratio | client 1 ms away | ratio |\n\
                     | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for (candidate, row) in rows {
        table += &format!("| {} |{row}\n", candidate.name(Framework::Actix));
    }
    Ok(table)
}

/// Returns which commands Redis gets while the same sessions are read again and again.
fn commands(options: &RunOptions) -> Result<String> {
    let cores = Cores::new(!options.no_pin);
    let load = Load::new(cores, options.connections)?;
    let redis = Process::redis(cores, &options.redis_server)?;
    let server = Process::server(cores, Framework::Actix, Candidate::Cache, &redis, options.workers)?;
    let cookies = load.create(&server, Sessions::Few, options.sessions)?;
    let scenario = &CACHE_SCENARIOS[0];
    // remembers the sessions
    load.run(&server, scenario, &cookies, 1)?;
    let before = redis.commands()?;
    let measurement = load.run(&server, scenario, &cookies, options.seconds * options.rounds)?;
    let after = redis.commands()?;
    let counts = after.into_iter().filter_map(|(name, count)| {
        let count = count - before.get(&name).unwrap_or(&0);
        (count > 0 && !["info", "quit"].contains(&&*name)).then_some((name, count))
    });
    let counts: Vec<_> = counts.collect();
    let sum: u64 = counts.iter().map(|(_, count)| count).sum();
    ensure!(measurement.errors == 0, "{} requests failed", measurement.errors);
    ensure!(
        sum * 100 < measurement.requests,
        "the cache is off: Redis got {sum} commands"
    );
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{count} `{}`", name.to_uppercase()))
        .collect();
    Ok(format!(
        "\nDuring {} reads of 100 sessions in {} s, Redis got {sum} commands: {}.\n",
        measurement.requests,
        measurement.duration.as_secs(),
        counts.join(", ")
    ))
}
