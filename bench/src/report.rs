//! The tables: one on the terminal with everything, and one in the documents with ratios and counts.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::load::Measurement;
use crate::measure::Series;
use crate::process::{Cores, output};
use crate::results::{Results, Spread};
use crate::scenario::SCENARIOS;
use crate::server::Candidate;
use crate::{chart, options::RunOptions};

const BEGIN: &str = "<!-- written by bench: begin -->\n";
const END: &str = "<!-- written by bench: end -->";

/// Prints the table and writes the documents.
///
/// # Errors
///
/// Returns an error if a request failed or shared-session lost a change.
pub fn publish(options: &RunOptions, series: &[Series]) -> Result<()> {
    let results = Results(series);
    println!("{}\n\n{}", setting(options), full_table(&results));
    for Series {
        scenario,
        candidate,
        rounds,
    } in series
    {
        let place = format!("{}, {}", scenario.name, candidate.name());
        for round in rounds {
            ensure!(
                round.requests > 0 && round.errors == 0,
                "{place}: {} requests failed",
                round.errors
            );
            let may_lose = ![Candidate::Redis, Candidate::Memory].contains(candidate);
            ensure!(may_lose || round.lost.unwrap_or(0) == 0, "{place}: lost changes");
        }
    }
    let complete = options.only.is_empty() && !options.quick;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(if complete { "../docs" } else { "target" });
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("benchmark.svg"), chart::draw(&results))?;
    if complete {
        let file = folder.join("performance.md");
        let text = fs::read_to_string(&file)?;
        let (before, rest) = text
            .split_once(BEGIN)
            .context("the document has no place for the table")?;
        let (_, after) = rest.split_once(END).context("the place of the table has no end")?;
        let table = short_table(&results);
        fs::write(
            file,
            format!("{before}{BEGIN}\n{}\n\n{table}\n{END}{after}", setting(options)),
        )?;
    }
    Ok(())
}

/// Describes the machine and the options.
fn setting(options: &RunOptions) -> String {
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
        "{cores} cores, {kernel}, {redis}; {place}. {} connections, worker threads: {}, {} rounds of {} s.",
        options.connections, options.workers, options.rounds, options.seconds
    )
}

fn full_table(results: &Results) -> String {
    let mut table =
        "| scenario | server | requests/s | min to max | p99, ms | CPU | CPU, µs/request | ratio | errors | lost |\n\
                     | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for Series {
        scenario,
        candidate,
        rounds,
    } in results.0
    {
        let rate = Spread::new(rounds.iter().map(Measurement::rate));
        let p99 = Spread::new(rounds.iter().map(|round| round.p99.as_secs_f64() * 1000.0));
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
            "| {} | {} | {:.0} | {:.0} to {:.0} | {:.2} | {share:.0} % | {each:.1} | {} | {errors} | {} |\n",
            scenario.name,
            candidate.name(),
            rate.median,
            rate.min,
            rate.max,
            p99.median,
            ratio.unwrap_or_default(),
            lost.unwrap_or_default(),
        );
    }
    table
        + "\nCPU: of the server\nratio: to actix-session's store in the same scenario; of `memory:`, to the page without a session\n"
}

fn short_table(results: &Results) -> String {
    let mut table = "| scenario | requests/s, Redis | p99, Redis | requests/s, memory: | changes lost |\n\
                     | --- | ---: | ---: | ---: | --- |\n"
        .to_owned();
    for scenario in &SCENARIOS {
        let speed = |candidate| match results.speed(scenario, candidate) {
            Some(Spread { median, min, max }) => format!("{median:.2} ({min:.2} to {max:.2})"),
            None => String::new(),
        };
        let p99 = results.p99(scenario, Candidate::Redis);
        let lost = |candidate| results.lost(scenario, candidate);
        let lost = match (lost(Candidate::Redis), lost(Candidate::Actix)) {
            (Some(own), Some(other)) => format!("{own:.0} %; actix-session {other:.0} %"),
            _ => String::new(),
        };
        table += &format!(
            "| {} | {} | {} | {} | {lost} |\n",
            scenario.name,
            speed(Candidate::Redis),
            p99.map(|p99| format!("{:.2}", p99.median)).unwrap_or_default(),
            speed(Candidate::Memory),
        );
    }
    if let Some(default) = results.speed(&SCENARIOS[0], Candidate::ActixDefault) {
        table += &format!(
            "\nWith actix-session's default, reads do not extend the idle timeout and need one command as well. It then reads {:.2} \
             times as fast as actix-session does in the table.\n",
            default.median
        );
    }
    table
}
