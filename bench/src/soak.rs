//! Sends many requests, and reports the memory of the servers on the way.

use anyhow::{Result, ensure};

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::load::Load;
use crate::options::RunOptions;
use crate::process::{Cores, Process};
use crate::scenario::{Scenario, Sessions};

/// What is sent before the memory is read, and how many seconds long. Most sessions are created before; a sign-in and the hot
/// session need new ones each time.
const PARTS: [(Scenario, u32); 3] = [
    (Scenario::new("nine reads, one change", "mixed", Sessions::Many), 8),
    (Scenario::new("sign in", "sign-in", Sessions::New), 1),
    (Scenario::new("change one hot session", "hot", Sessions::One), 1),
];
/// How much the memory may grow after the first tenth of the requests, in percent.
const GROWTH: u64 = 10;

/// Sends this many requests to shared-session in memory, and then on Redis.
///
/// # Errors
///
/// Returns an error if a request fails or the memory of a server grows.
pub fn run(options: &RunOptions, requests: u64) -> Result<()> {
    let cores = Cores::new(!options.no_pin && options.workers == 1);
    let load = Load::new(cores, options.connections)?;
    let redis = Process::redis(cores, &options.redis_server)?;
    for candidate in [Candidate::Memory, Candidate::Redis] {
        let server = Process::server(cores, Framework::Actix, candidate, &redis, options.workers)?;
        println!("\n{}\n", candidate.name(Framework::Actix));
        println!("| requests | server, KiB | Redis, KiB |\n| ---: | ---: | ---: |");
        let kept = load.create(&server, Sessions::Many, options.sessions)?;
        let (mut sent, mut warm) = (0, None);
        while sent < requests {
            for (scenario, seconds) in &PARTS {
                let cookies = match scenario.sessions {
                    Sessions::Many => kept.clone(),
                    sessions => load.create(&server, sessions, options.sessions)?,
                };
                let measurement = load.run(&server, scenario, &cookies, *seconds)?;
                ensure!(measurement.errors == 0, "{} requests failed", measurement.errors);
                ensure!(measurement.lost.unwrap_or(0) == 0, "lost changes");
                sent += measurement.requests;
            }
            println!("| {sent} | {} | {} |", server.memory()?, redis.memory()?);
            if warm.is_none() && sent >= requests / 10 {
                warm = Some(server.memory()?);
            }
        }
        let (warm, end) = (warm.unwrap_or_default(), server.memory()?);
        ensure!(
            end <= warm + warm * GROWTH / 100,
            "the memory of the server grew from {warm} KiB to {end} KiB"
        );
    }
    Ok(())
}
