//! How long a process with a cache still shows a session as it was before another process changed it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ureq::Agent;

use crate::candidate::Candidate;
use crate::framework::Framework;
use crate::load::Load;
use crate::options::RunOptions;
use crate::process::{Cores, Process};
use crate::scenario::{CACHE_SCENARIOS, Sessions};
use crate::server::CACHE;

/// Two servers with a cache, and a session that one changes and the other shows.
pub struct News {
    changes: Process,
    shows: Process,
    cookie: String,
}

impl News {
    /// Returns the table: without other requests, and while the server that shows the session is busy.
    pub fn measure(options: &RunOptions) -> Result<String> {
        let cores = Cores::new(!options.no_pin);
        let load = Load::new(cores, options.connections)?;
        let redis = Process::redis(cores, &options.redis_server)?;
        let start = || Process::server(cores, Framework::Actix, Candidate::Cache, &redis, options.workers);
        let (changes, shows) = (start()?, start()?);
        let others = load.create(&shows, Sessions::Few, options.sessions)?;
        let cookie = fs::read_to_string(load.create(&changes, Sessions::One, 1)?)?;
        let news = Self { changes, shows, cookie };
        let seconds = options.seconds * options.rounds;
        let mut table = "\nHow long another process shows the session as it was, from the response to a change on:\n\n\
                         | the other process | changes | never | p50 | p99 | longest |\n\
                         | --- | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
        let quiet = AtomicBool::new(true);
        let until = Instant::now() + Duration::from_secs(seconds.into());
        table += &row("has no other requests", news.times(|| Instant::now() < until)?);
        let times = thread::scope(|scope| {
            let busy = scope.spawn(|| {
                let measured = load.run(&news.shows, &CACHE_SCENARIOS[0], &others, seconds);
                quiet.store(false, Ordering::Relaxed);
                measured
            });
            let times = news.times(|| quiet.load(Ordering::Relaxed));
            let measured = busy.join().ok().context("a thread panicked")??;
            ensure!(measured.errors == 0, "{} requests failed", measured.errors);
            times
        })?;
        table += &row("is busy", times);
        Ok(table)
    }

    /// Changes the session again and again. Returns for each change how long after its response the last old one arrived, or
    /// zero if there was none.
    fn times(&self, goes_on: impl Fn() -> bool) -> Result<Vec<Duration>> {
        let agent = Agent::new_with_defaults();
        let shown = || -> Result<u64> {
            let url = format!("http://127.0.0.1:{}/count", self.shows.port);
            let mut response = agent.get(url).header("cookie", &self.cookie).call()?;
            Ok(response.body_mut().read_to_string()?.parse()?)
        };
        let mut times = Vec::new();
        while goes_on() {
            // the second read is of the remembered session
            let (_, before) = (shown()?, shown()?);
            let url = format!("http://127.0.0.1:{}/change", self.changes.port);
            agent.post(url).header("cookie", &self.cookie).send_empty()?;
            let (acknowledged, mut age) = (Instant::now(), Duration::ZERO);
            while shown()? == before {
                age = acknowledged.elapsed();
                ensure!(age < 2 * CACHE, "a session is shown as it was {age:?} ago");
            }
            times.push(age);
        }
        ensure!(!times.is_empty(), "there was no change");
        times.sort_unstable();
        Ok(times)
    }
}

fn row(process: &str, times: Vec<Duration>) -> String {
    let count = times.len();
    let millis = |place: usize| times[place.min(count - 1)].as_secs_f64() * 1000.0;
    let never = times.iter().filter(|time| time.is_zero()).count();
    format!(
        "| {process} | {count} | {:.1} % | {:.2} ms | {:.2} ms | {:.2} ms |\n",
        100.0 * never as f64 / count as f64,
        millis(count / 2),
        millis(count * 99 / 100),
        millis(count - 1)
    )
}
