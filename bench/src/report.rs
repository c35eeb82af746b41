//! The tables: one on the terminal with everything, and one in the documents with ratios and counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::load::Measurement;
use crate::measure::Series;
use crate::process::{Cores, output};
use crate::results::{Results, Spread};
use crate::scenario::SCENARIOS;
use crate::{chart, options::RunOptions};

/// Prints the table of the servers in Rust, and writes the documents.
pub fn publish(options: &RunOptions, series: &[Series]) -> Result<()> {
    let results = Results(series);
    let setting = setting(options, &format!("worker threads: {}", options.workers));
    println!("{setting}\n");
    print(&results, Framework::Actix)?;
    let complete = is_complete(options);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(if complete { "../docs" } else { "target" });
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("benchmark.svg"), chart::draw(&results))?;
    if complete {
        write_table("bench", &setting, &short_table(&results))?;
    }
    Ok(())
}

/// Returns whether everything is measured well enough for the documents.
pub fn is_complete(options: &RunOptions) -> bool {
    options.only.is_empty() && !options.quick
}

/// Prints all figures of a framework.
///
/// # Errors
///
/// Returns an error if a request failed or shared-session lost a change.
pub fn print(results: &Results, framework: Framework) -> Result<()> {
    println!("{}", full_table(results, framework));
    for Series {
        scenario,
        candidate,
        rounds,
    } in results.0
    {
        let place = format!("{}, {}", scenario.name, candidate.name(framework));
        for round in rounds {
            ensure!(
                round.requests > 0 && round.errors == 0,
                "{place}: {} requests failed",
                round.errors
            );
            let may_lose = ![Candidate::Redis, Candidate::Cache, Candidate::Memory].contains(candidate);
            ensure!(may_lose || round.lost.unwrap_or(0) == 0, "{place}: lost changes");
        }
    }
    Ok(())
}

/// Writes a table into `docs/performance.md`, in the place with this name.
pub fn write_table(place: &str, setting: &str, table: &str) -> Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
    let [begin, end] = ["begin", "end"].map(|word| format!("<!-- written by {place}: {word} -->"));
    let text = fs::read_to_string(file)?;
    let (before, rest) = text
        .split_once(&begin)
        .context("the document has no place for the table")?;
    let (_, after) = rest.split_once(&end).context("the place of the table has no end")?;
    fs::write(file, format!("{before}{begin}\n\n{setting}\n\n{table}\n{end}{after}"))?;
    Ok(())
}

/// Describes the machine and the options.
pub fn setting(options: &RunOptions, servers: &str) -> String {
    // "Redis server v=8.4.0 …"
    let redis = output(&options.redis_server, &["--version"]).unwrap_or_default();
    let version = redis.split_whitespace().find_map(|word| word.strip_prefix("v="));
    let redis = [redis.split(' ').next().unwrap_or_default(), version.unwrap_or("?")].join(" ");
    let kernel = output("uname", &["-sr"]).unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let place = if Cores::new(!options.no_pin && options.workers == 1).pinned() {
        "the server on one core, Redis and wrk on another one"
    } else {
        "not pinned to cores"
    };
    format!(
        "{cores} cores, {kernel}, {redis}; {place}. {} connections, {servers}, {} rounds of {} s.",
        options.connections, options.rounds, options.seconds
    )
}

fn full_table(results: &Results, framework: Framework) -> String {
    let mut table =
        "| scenario | server | requests/s | min to max | p50, ms | p99, ms | CPU | CPU, µs/request | ratio | errors | lost |\n\
                     | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for Series {
        scenario,
        candidate,
        rounds,
    } in results.0
    {
        let rate = Spread::new(rounds.iter().map(Measurement::rate));
        let millis = |value: fn(&Measurement) -> Duration| {
            Spread::new(rounds.iter().map(|round| value(round).as_secs_f64() * 1000.0)).median
        };
        let (p50, p99) = (millis(|round| round.p50), millis(|round| round.p99));
        let cpu = |value: fn(&Measurement) -> Option<f64>| {
            let values = rounds.iter().map(value).collect::<Option<Vec<_>>>();
            values.map_or(f64::NAN, |values| Spread::new(values.into_iter()).median)
        };
        let share = cpu(|round| Some(100.0 * round.cpu?));
        let each = cpu(|round| Some(1e6 * round.cpu? / round.rate()));
        let ratio = results
            .speed(scenario, *candidate)
            .map(|ratio| format!("{:.2}", ratio.median));
        let errors: u64 = rounds.iter().map(|round| round.errors).sum();
        let lost = results.lost(scenario, *candidate).map(|lost| format!("{lost:.1} %"));
        table += &format!(
            "| {} | {} | {:.0} | {:.0} to {:.0} | {p50:.2} | {p99:.2} | {share:.0} % | {each:.1} | {} | {errors} | {} |\n",
            scenario.name,
            candidate.name(framework),
            rate.median,
            rate.min,
            rate.max,
            ratio.unwrap_or_default(),
            lost.unwrap_or_default(),
        );
    }
    table
        + "\nCPU: of the server\nratio: to the alternative in the same scenario; of `memory:`, to the page without a session\n"
}

fn short_table(results: &Results) -> String {
    let mut table = "| scenario | requests/s, Redis | p99, Redis | requests/s, memory: | changes lost |\n\
                     | --- | ---: | ---: | ---: | --- |\n"
        .to_owned();
    for scenario in &SCENARIOS {
        let speed = |candidate| results.speed(scenario, candidate).map(|speed| speed.to_string());
        let p99 = results.p99(scenario, Candidate::Redis);
        let lost = |candidate| results.lost(scenario, candidate);
        let lost = match (lost(Candidate::Redis), lost(Candidate::Alternative)) {
            (Some(own), Some(other)) => format!("{own:.0} %; actix-session {other:.0} %"),
            _ => String::new(),
        };
        table += &format!(
            "| {} | {} | {} | {} | {lost} |\n",
            scenario.name,
            speed(Candidate::Redis).unwrap_or_default(),
            p99.map(|p99| format!("{:.2}", p99.median)).unwrap_or_default(),
            speed(Candidate::Memory).unwrap_or_default(),
        );
    }
    table + &note_on_default(results, Framework::Actix)
}

/// Returns the sentence about the alternative's default, if that was measured.
pub fn note_on_default(results: &Results, framework: Framework) -> String {
    let Some(default) = results.speed(&SCENARIOS[0], Candidate::AlternativeDefault) else {
        return String::new();
    };
    let name = framework.alternative();
    format!(
        "\nWith {name}'s default, reads do not extend the idle timeout and need one command as well. It then reads {:.2} \
         times as fast as {name} does in the table.\n",
        default.median
    )
}
