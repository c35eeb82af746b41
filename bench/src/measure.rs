//! Runs all scenarios on all candidates, in turns.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::load::{Load, Measurement};
use crate::options::RunOptions;
use crate::process::{self, Cores, Process};
use crate::scenario::{Scenario, Sessions};

/// The measurements of one candidate in one scenario, one for each round.
pub struct Series {
    pub scenario: &'static Scenario,
    pub candidate: Candidate,
    pub rounds: Vec<Measurement>,
}

/// How much longer a round trip takes than on one machine.
#[derive(Clone, Copy, Default)]
pub struct Distance {
    /// From the servers to Redis.
    pub to_redis: Duration,
    /// From the load to the servers.
    pub to_servers: Duration,
}

/// A server, and the files with the cookies of its sessions.
struct Contestant {
    candidate: Candidate,
    server: Process,
    cookies: HashMap<Sessions, PathBuf>,
}

/// Measures the candidates of a framework, and returns the series in the order of the report.
pub fn run(
    options: &RunOptions,
    framework: Framework,
    scenarios: &'static [Scenario],
    distance: Distance,
) -> Result<Vec<Series>> {
    let scenarios: Vec<_> = scenarios
        .iter()
        .filter(|scenario| scenario.name.contains(&options.only))
        .map(|scenario| (scenario, framework.candidates(scenario)))
        .filter(|(_, candidates)| !candidates.is_empty())
        .collect();
    ensure!(
        !scenarios.is_empty(),
        "no scenario's name contains \"{}\"",
        options.only
    );
    if process::is_busy() {
        eprintln!("warning: the machine is busy with something else, so the figures will be wrong");
    }
    let cores = Cores::new(!options.no_pin && options.workers == 1);
    let load = Load::new(cores, options.connections)?;
    let redis = Process::redis(cores, &options.redis_server)?.behind(cores, distance.to_redis)?;
    let mut contestants = Vec::new();
    for candidate in Candidate::ALL {
        if scenarios.iter().any(|(_, candidates)| candidates.contains(&candidate)) {
            let server = Process::server(cores, framework, candidate, &redis, options.workers)?;
            contestants.push(Contestant {
                candidate,
                server: server.behind(cores, distance.to_servers)?,
                cookies: HashMap::new(),
            });
        }
    }
    let mut series: Vec<Series> = Vec::new();
    for (scenario, candidates) in &scenarios {
        series.extend(candidates.iter().map(|candidate| Series {
            scenario,
            candidate: *candidate,
            rounds: Vec::new(),
        }));
    }
    for round in 0..options.rounds as usize {
        for (scenario, candidates) in &scenarios {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, scenario.name);
            let count = candidates.len();
            for turn in 0..count {
                let candidate = candidates[(round + turn) % count];
                let contestant = contestants.iter_mut().find(|other| other.candidate == candidate);
                let Some(contestant) = contestant else { continue };
                let measurement = contestant.measure(&load, scenario, options)?;
                let series = series
                    .iter_mut()
                    .find(|series| std::ptr::eq(series.scenario, *scenario) && series.candidate == candidate);
                if let Some(series) = series {
                    series.rounds.push(measurement);
                }
            }
        }
    }
    Ok(series)
}

impl Contestant {
    fn measure(&mut self, load: &Load, scenario: &Scenario, options: &RunOptions) -> Result<Measurement> {
        let cookies = self.cookies(load, scenario.sessions, options.sessions)?;
        load.run(&self.server, scenario, &cookies, options.seconds)
    }

    /// Returns the cookies of the scenario's sessions. Creates the sessions if they do not exist yet or must be new.
    fn cookies(&mut self, load: &Load, sessions: Sessions, many: u32) -> Result<PathBuf> {
        if self.candidate == Candidate::Bare {
            return load.no_cookie();
        }
        if let Some(file) = self.cookies.get(&sessions)
            && sessions.is_kept()
        {
            return Ok(file.clone());
        }
        let file = load.create(&self.server, sessions, many)?;
        self.cookies.insert(sessions, file.clone());
        Ok(file)
    }
}
