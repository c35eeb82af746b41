//! The page and the table that compare the candidates, from what the experiments found out about each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{Experiment, GROUPS, Outcome, Report, Verdict, all};

/// The rows of README's table: experiments, and what their figures count there. `{}` is the number of attempts.
/// Some spaces do not break, so that each label takes two lines.
const ROWS: [(&str, &str); 9] = [
    ("concurrent-updates", "Updates kept, of&nbsp;{}&nbsp;at&nbsp;once"),
    ("log-out-in-flight", "Log-outs undone, of&nbsp;{}"),
    ("removed-field", "Removed fields that&nbsp;return, of&nbsp;{}"),
    (
        "renewal-in-flight",
        "Changes lost by&nbsp;a&nbsp;new&nbsp;id, of&nbsp;{}",
    ),
    ("double-sign-in", "Double sign-ins that&nbsp;work, of&nbsp;{}"),
    ("ids-at-rest", "Sessions stolen from&nbsp;a&nbsp;dump, of&nbsp;{}"),
    ("redis-hung", "Redis hangs: nobody&nbsp;waits for&nbsp;ever"),
    ("commands-per-read", "Redis commands for&nbsp;a&nbsp;read"),
    ("concurrent-counts", "Increments counted, of&nbsp;{}&nbsp;at&nbsp;once"),
];

/// The columns of README's table: folders of candidates, and their packages. The page has all candidates.
const COLUMNS: [(&str, &str); 7] = [
    ("shared-session-actix", "shared-session"),
    ("actix-session", "actix-session"),
    ("tower-sessions", "tower-sessions"),
    ("express-session", "express-session"),
    ("flask-session", "flask-session"),
    ("django", "django"),
    ("php-locking", "phpredis"),
];

/// A longer figure does not fit into README's table.
const SHORT: usize = 12;

const BEGIN: &str = "<!-- The table is written by torture/compare.sh. -->\n";
const END: &str = "<!-- The end of the table. -->";

/// A server that takes part, and how it did.
pub struct Candidate {
    /// The name of its folder.
    name: String,
    about: About,
    report: Report,
}

/// A file `candidate.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    title: String,
    versions: BTreeMap<String, String>,
    runs: String,
    settings: String,
    #[serde(default)]
    #[expect(dead_code, reason = "compare.sh reads it")]
    without: Vec<String>,
}

/// Reads the candidates from folders that hold `candidate.json` and `result.json`; ours are the last ones.
///
/// # Errors
///
/// Returns an error that names the file that is missing or invalid.
pub fn candidates(folder: &Path) -> Result<Vec<Candidate>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        folders.push(entry?.path());
    }
    // a new candidate has no result until compare.sh has tried it
    folders.retain(|folder| folder.join("candidate.json").exists() && folder.join("result.json").exists());
    folders.sort_by_key(|folder| (folder.to_string_lossy().contains("shared-session"), folder.clone()));
    folders.iter().map(|folder| Candidate::read(folder)).collect()
}

/// Returns the text of a document with its table replaced.
///
/// # Errors
///
/// Returns an error if the document has no place for the table.
pub fn with_table(document: &str, candidates: &[Candidate]) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .context("the document has no place for the table")?;
    let (_, after) = rest.split_once(END).context("the document has no end of the table")?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table(candidates)?))
}

/// Returns the page that has every experiment and every candidate, in Markdown.
///
/// # Errors
///
/// Returns an error if a candidate was not tried in an experiment.
pub fn page(candidates: &[Candidate]) -> Result<String> {
    let mut page = String::from(include_str!("../templates/comparison-intro.txt"));
    page += "\n| candidate | versions | how it runs | settings | day | promises held |\n| --- | --- | --- | --- | --- | --- |\n";
    for Candidate { about, report, .. } in candidates {
        let versions: Vec<_> = about
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let (tried, held) = report.tried_and_held();
        let About {
            title, runs, settings, ..
        } = about;
        writeln!(
            page,
            "| {title} | {} | {runs} | {settings} | {} | {held} of {tried} |",
            versions.join(", "),
            report.date
        )?;
    }
    for (title, experiments) in GROUPS {
        write!(page, "\n## {title}\n\n| candidate |")?;
        experiments
            .iter()
            .try_for_each(|experiment| write!(page, " {} |", experiment.name))?;
        writeln!(page, "\n| --- |{}", " --- |".repeat(experiments.len()))?;
        for candidate in candidates {
            write!(page, "| {} |", candidate.about.title)?;
            for experiment in *experiments {
                write!(page, " {} |", cell(candidate.outcome(experiment)?))?;
            }
            page += "\n";
        }
        page += "\n";
        for Experiment {
            name,
            promise,
            why,
            report,
            counts,
            ..
        } in *experiments
        {
            writeln!(
                page,
                "- **{name}**: {promise}. The figure: {counts}. {why} ([a public report]({report}))"
            )?;
        }
    }
    Ok(page)
}

fn table(candidates: &[Candidate]) -> Result<String> {
    let mut columns = Vec::new();
    let mut table = "| |".to_owned();
    for (name, package) in COLUMNS {
        let candidate = candidates.iter().find(|candidate| candidate.name == name);
        let candidate = candidate.with_context(|| format!("README's table lacks {name}"))?;
        let About { title, versions, .. } = &candidate.about;
        // all our doors are one package
        let title = title.split(" (").next().unwrap_or(title);
        let version = versions
            .get(package)
            .with_context(|| format!("{name} has no version of {package}"))?;
        write!(table, " {title}<br><sub>{version}</sub> |")?;
        columns.push(candidate);
    }
    writeln!(table, "\n| --- |{}", " --- |".repeat(columns.len()))?;
    for (name, label) in ROWS {
        let experiment = all()
            .find(|experiment| experiment.name == name)
            .with_context(|| format!("no experiment is named {name}"))?;
        let mut attempts = "";
        let mut cells = String::new();
        for candidate in &columns {
            let outcome = candidate.outcome(experiment)?;
            let mut figure = if outcome.figure.len() <= SHORT {
                outcome.figure.as_str()
            } else {
                ""
            };
            if let Some((count, of)) = figure.split_once(" of ") {
                (figure, attempts) = (count, of);
            }
            write!(cells, " {} |", format!("{} {figure}", sign(outcome)).trim_end())?;
        }
        writeln!(table, "| {} |{cells}", label.replace("{}", attempts))?;
    }
    table += "| **Promises held** |";
    for candidate in &columns {
        let (tried, held) = candidate.report.tried_and_held();
        write!(table, " **{held}&nbsp;of&nbsp;{tried}** |")?;
    }
    Ok(table + "\n")
}

fn cell(outcome: &Outcome) -> String {
    format!("{} {}", sign(outcome), outcome.figure).trim_end().to_owned()
}

fn sign(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Held => "✓",
        Verdict::Failed | Verdict::Stopped => "✗",
        Verdict::NotTried => "–",
    }
}

impl Candidate {
    fn read(folder: &Path) -> Result<Self> {
        let candidate = Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            about: json(&folder.join("candidate.json"))?,
            report: json(&folder.join("result.json"))?,
        };
        ensure!(
            !candidate.about.versions.is_empty(),
            "{}: no versions",
            folder.display()
        );
        Ok(candidate)
    }

    fn outcome(&self, experiment: &Experiment) -> Result<&Outcome> {
        let missing = || {
            format!(
                "{} was not tried in {}; run torture/compare.sh",
                self.about.title, experiment.name
            )
        };
        self.report.outcome(experiment).with_context(missing)
    }
}

fn json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("invalid: {}", file.display()))
}
