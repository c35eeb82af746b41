//! What happened: every response, what was confirmed, and what was lost. It decides whether a fail-over went as promised.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::fault::{Kind, Outcome};
use crate::stack::Mode;

/// How soon after a promotion the services are back.
const BACK: Duration = Duration::from_secs(2);
/// The number of responses for which one 503 is accepted after the services are back. A busy machine stalls Redis now and then
/// for longer than a request waits.
const RESPONSES_FOR_A_STALL: usize = 50;
/// How long an isolated primary responds: `min-replicas-max-lag` 2, of which Redis counts whole seconds, once a second.
const ISOLATED: Duration = Duration::from_secs(4);
/// How many of the refused responses are listed.
const LISTED: usize = 10;

/// A response to a browser.
pub struct Response {
    pub sent: Instant,
    pub host: usize,
    pub mode: Mode,
    pub path: String,
    /// Whether the response depends on the session store: whether the request had a cookie, or changed something.
    pub needs_store: bool,
    pub status: u16,
}

/// What a service can confirm, and then lose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fact {
    /// The account exists.
    Account,
    /// A draft is in the session.
    Change,
    /// The session exists, with its user if it has one.
    Session,
    /// The session has a new id, so the old one is invalid.
    Renewal,
    /// The session has ended.
    LogOut,
}

pub struct Report {
    started: Instant,
    responses: Mutex<Vec<Response>>,
    confirmed: Mutex<HashMap<(Mode, Fact), usize>>,
    lost: Mutex<HashMap<(Mode, Fact), usize>>,
    problems: Mutex<Vec<String>>,
    stale: AtomicUsize,
}

impl Report {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            responses: Mutex::default(),
            confirmed: Mutex::default(),
            lost: Mutex::default(),
            problems: Mutex::default(),
            stale: AtomicUsize::default(),
        }
    }

    /// Returns the time since the beginning.
    pub fn time(&self, at: Instant) -> String {
        format!("{:.2} s", at.saturating_duration_since(self.started).as_secs_f64())
    }

    pub fn response(&self, response: Response) {
        self.responses.lock().unwrap().push(response);
    }

    pub fn confirmed(&self, mode: Mode, fact: Fact) {
        *self.confirmed.lock().unwrap().entry((mode, fact)).or_default() += 1;
    }

    /// Notes that a page of a cache showed what was before, which it may for some time.
    pub fn stale(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a confirmed fact does not hold any more. With `SESSION_STORE_REPLICAS=1` that is a problem.
    pub fn lost(&self, mode: Mode, fact: Fact, details: &str) {
        *self.lost.lock().unwrap().entry((mode, fact)).or_default() += 1;
        if mode.waits_for_a_replica() {
            self.problem(format!("{fact:?} lost: {details}"));
        }
    }

    pub fn problem(&self, text: String) {
        println!("FAIL {text}");
        self.problems.lock().unwrap().push(text);
    }

    /// Prints what a fail-over looked like, and notes what was not as promised.
    pub fn judge(&self, outcome: &Outcome) {
        let (fault, seconds) = (&outcome.fault, |time: Duration| format!("{:.1} s", time.as_secs_f64()));
        let is_isolated = |response: &Response| fault.kind == Kind::Isolated && response.host == fault.host;
        let mut problems = Vec::new();
        let responses = self.responses.lock().unwrap();
        let during = || {
            responses
                .iter()
                .filter(|response| (fault.caused..outcome.healthy).contains(&response.sent))
        };

        let others = || during().filter(|response| !is_isolated(response));
        let refused = others().filter(|response| response.status == 503);
        let back = refused.map(|response| response.sent).max().unwrap_or(fault.caused);
        let back = back.saturating_duration_since(fault.promoted);
        if let Some(late) = self.refused_after(fault.promoted + BACK, others()) {
            problems.push(format!("the services were not back in time: {late}"));
        }
        let mut text = format!(
            "{:?} after {} on host {}: promoted after {}, no more 503 after another {}",
            fault.kind,
            self.time(fault.caused),
            fault.host,
            seconds(fault.promoted - fault.caused),
            seconds(back)
        );
        if fault.kind == Kind::Isolated {
            let alone = during().filter(|response| is_isolated(response) && response.needs_store);
            let served = alone.filter(|response| response.status < 500 && response.sent < outcome.ended);
            let served = served.map(|response| response.sent).max().unwrap_or(fault.caused);
            let isolated = || during().filter(|response| is_isolated(response));
            let rejoined = isolated().filter(|response| response.status == 503);
            let rejoined = rejoined.map(|response| response.sent).max().unwrap_or(outcome.ended);
            let rejoined = rejoined.saturating_duration_since(outcome.ended);
            text += &format!(
                "; the isolated services responded for {}, and again {} after they rejoined",
                seconds(served - fault.caused),
                seconds(rejoined)
            );
            if served - fault.caused > ISOLATED || served > fault.promoted {
                problems.push("an isolated service responded for too long".to_owned());
            }
            if let Some(late) = self.refused_after(outcome.ended + BACK, isolated()) {
                problems.push(format!("an isolated service was not back in time: {late}"));
            }
        }
        println!(
            "{text}; all nodes in order {} after that",
            seconds(outcome.healthy - outcome.ended)
        );
        drop(responses);
        for problem in problems {
            self.problem(format!("{:?}: {problem}", fault.kind));
        }
    }

    /// Returns the first responses that were 503 after `back`, if there were more of them than a stall explains.
    fn refused_after<'a>(&self, back: Instant, responses: impl Iterator<Item = &'a Response>) -> Option<String> {
        let after: Vec<_> = responses.filter(|response| response.sent > back).collect();
        let refused: Vec<_> = after.iter().filter(|response| response.status == 503).collect();
        if refused.len() * RESPONSES_FOR_A_STALL <= after.len() {
            return None;
        }
        let listed = refused.iter().take(LISTED).map(|response| {
            let Response { host, mode, path, .. } = response;
            format!("{path} on host {host} ({mode:?}) after {}", self.time(response.sent))
        });
        let listed = listed.collect::<Vec<_>>().join(", ");
        Some(format!(
            "{} of {} responses were 503: {listed}",
            refused.len(),
            after.len()
        ))
    }

    /// Prints the totals, and returns whether everything was as promised.
    pub fn summarize(&self) -> bool {
        let responses = self.responses.lock().unwrap();
        let refused = responses.iter().filter(|response| response.status == 503).count();
        println!("{} responses, of which {refused} were 503", responses.len());
        let (confirmed, lost) = (self.confirmed.lock().unwrap(), self.lost.lock().unwrap());
        for mode in Mode::ALL {
            let count = |fact| {
                let of = |counts: &HashMap<_, usize>| counts.get(&(mode, fact)).copied().unwrap_or_default();
                format!("{} of {}", of(&lost), of(&confirmed))
            };
            println!(
                "{mode:?}: lost {} changes, {} sessions, {} renewals, {} log-outs, {} accounts",
                count(Fact::Change),
                count(Fact::Session),
                count(Fact::Renewal),
                count(Fact::LogOut),
                count(Fact::Account)
            );
        }
        let stale = self.stale.load(Ordering::Relaxed);
        println!("{:?}: {stale} pages showed what was before", Mode::Cached);
        self.problems.lock().unwrap().is_empty()
    }
}
