//! The command line of the fault suite.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use regex::Regex;
use tokio::signal::unix::{SignalKind, signal};
use torture::{Experiment, Lab, Outcome, Report, Row, Verdict, all};

/// Runs fault experiments against a server that keeps sessions in Redis, and prints which promises hold.
///
/// Starts a Redis, and the server with PORT and REDIS_URL. torture/README.md lists the routes that the server has to answer. Exits with 0 if
/// every promise held, with 1 if one did not, and with 2 if the experiments could not be run.
#[derive(Parser)]
#[command(name = "torture", version)]
struct Options {
    /// Names the server in reports
    #[arg(long, default_value = "server")]
    name: String,
    /// Lists the experiments and what they try, and ends
    #[arg(long)]
    list: bool,
    /// Runs the experiments whose name matches
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,
    /// Leaves out the experiments whose name matches
    #[arg(long, value_name = "REGEX")]
    except: Option<Regex>,
    /// Leaves out the experiments that take more than some seconds
    #[arg(long)]
    fast: bool,
    /// Leaves out the experiments that need this
    #[arg(long, value_enum, value_name = "FEATURE")]
    without: Vec<Feature>,
    /// Writes the report as JSON; - is the standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the report as a page that needs nothing else; - is the standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keeps what the server prints
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The command that starts the server, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a server may lack.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Feature {
    Sentinel,
}

impl Options {
    fn chooses(&self, experiment: &Experiment) -> bool {
        let matches =
            |regex: &Option<Regex>, otherwise| regex.as_ref().map_or(otherwise, |it| it.is_match(experiment.name));
        matches(&self.only, true) && !matches(&self.except, false) && !(self.fast && experiment.is_long)
    }

    /// Returns whether the server can take part in an experiment.
    fn can(&self, experiment: &Experiment) -> bool {
        !(experiment.needs_sentinel && self.without.contains(&Feature::Sentinel))
    }

    /// Returns whether the lines for people go to the standard output, which a report may need.
    fn prints_lines(&self) -> bool {
        ![&self.json, &self.html]
            .into_iter()
            .flatten()
            .any(|file| file.as_os_str() == "-")
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        list(&options);
        return ExitCode::SUCCESS;
    }
    let end = tokio::select! {
        end = run(options) => end,
        // dropping the other future ends all programs that it started
        end = interrupted() => end,
    };
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn list(options: &Options) {
    for experiment in all().filter(|experiment| options.chooses(experiment)) {
        let length = if experiment.is_long { " (long)" } else { "" };
        let Experiment {
            name,
            promise,
            why,
            report,
            ..
        } = experiment;
        say(&format!("{name}{length}\n  {promise}.\n  {why}\n  {report}\n"));
    }
}

/// Runs the chosen experiments, and returns whether all promises held.
async fn run(options: Options) -> Result<bool> {
    let chosen: Vec<_> = all().filter(|experiment| options.chooses(experiment)).collect();
    ensure!(!chosen.is_empty(), "no experiment matches (--list names all)");
    let lab = Lab::new(options.command.clone())?;
    let end = experiments(&options, &chosen, &lab).await;
    if let Some(file) = &options.log
        && lab.output().exists()
    {
        std::fs::copy(lab.output(), file).with_context(|| format!("cannot write {}", file.display()))?;
    }
    end
}

async fn experiments(options: &Options, chosen: &[&Experiment], lab: &Lab) -> Result<bool> {
    lab.check().await?;
    let mut report = Report::new(options.name.clone());
    for (index, experiment) in chosen.iter().enumerate() {
        let progress = Progress::show(format!("{} of {}: {}", index + 1, chosen.len(), experiment.name));
        let outcome = match options.can(experiment) {
            true => experiment.run(lab).await,
            false => Outcome {
                verdict: Verdict::NotTried,
                figure: String::new(),
            },
        };
        drop(progress);
        if options.prints_lines() {
            say(&format!(
                "{:9} {:22} {}",
                outcome.verdict,
                experiment.name,
                outcome.line(experiment)
            ));
        }
        report.experiments.push(Row {
            name: experiment.name.to_owned(),
            outcome,
        });
    }
    let (tried, held) = report.tried_and_held();
    if options.prints_lines() {
        say(&format!("{held} of {tried} promises held."));
    }
    if let Some(file) = &options.json {
        write(file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(file) = &options.html {
        write(file, &report.html()?)?;
    }
    Ok(held == tried)
}

async fn interrupted() -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        end = tokio::signal::ctrl_c() => end?,
        _ = terminate.recv() => {}
    }
    anyhow::bail!("interrupted")
}

fn write(file: &PathBuf, text: &str) -> Result<()> {
    if file.as_os_str() == "-" {
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Prints a line, and ignores that the reader may have ended, as `head` does.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on a terminal that says what is running, and goes when it is over.
struct Progress;

impl Progress {
    fn show(text: String) -> Option<Self> {
        let mut terminal = std::io::stderr();
        if !terminal.is_terminal() {
            return None;
        }
        let _ = write!(terminal, "{text} …");
        let _ = terminal.flush();
        Some(Self)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        eprint!("\r\x1b[K");
    }
}
