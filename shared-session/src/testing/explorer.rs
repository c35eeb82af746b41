//! The explorer: runs every interleaving of a few concurrent requests on one session, with every way in which a backend
//! operation can fail, and checks the promises at the end of each run.
//!
//! Two stores share one backend in memory. Each backend operation waits for the explorer, which decides what is next:
//! which operation, and whether it is performed, fails, or is performed and loses its reply. It tries all decisions, one
//! run after the other. Interleavings that only swap operations which do not see each other are run once.

mod backend;
mod check;
mod decisions;
mod requests;
mod run;

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::decisions::Decisions;

/// A request that comes with the session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Reads the session.
    Read,
    /// Sets a field of its own.
    Change,
    /// Renews the session and sets a field of its own.
    Renew,
    /// Renews the session and makes it another user's.
    SignIn,
    /// Destroys the session.
    LogOut,
    /// Revokes all sessions of the user.
    Revoke,
    /// Lists the sessions of the user.
    List,
}

impl Request {
    /// Every kind of request.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Change,
        Self::Renew,
        Self::SignIn,
        Self::LogOut,
        Self::Revoke,
        Self::List,
    ];
}

/// A fault that is put into the code under test on purpose, to prove that the explorer finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// None.
    None,
    /// A commit replaces any record.
    CommitWithoutComparison,
    /// A log-out that finds another record than it read leaves it there.
    LogOutIgnoresChanges,
    /// A renewal whose outcome is unknown is left as it is.
    RenewalIsNotSettled,
    /// A log-out with a superseded id does nothing.
    LogOutMissesRenewal,
    /// A change under a superseded id begins a new session.
    ChangeBeginsSession,
}

/// How much to explore.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many requests run at the same time.
    pub requests: usize,
    /// How many operations of a run may fail.
    pub failures: usize,
}

/// What an exploration found.
#[derive(Debug)]
pub struct Report {
    /// The number of runs.
    pub runs: usize,
    /// The shortest run that broke a promise: which one, and the decisions in their order.
    pub failure: Option<Failure>,
}

/// A run that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The requests of the run.
    pub requests: Vec<Request>,
    /// The promise that does not hold.
    pub reason: String,
    /// What happened, in order.
    pub trace: Vec<String>,
}

/// Runs every interleaving of every combination of requests within the bounds, on all processors.
///
/// # Panics
///
/// Panics if a runtime for the runs cannot be built.
#[must_use]
pub fn explore(bounds: Bounds, sabotage: Sabotage) -> Report {
    let combinations = combinations(bounds.requests);
    let (next, runs, found) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while let Some(requests) = combinations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (count, failure) = explore_requests(requests, bounds.failures, sabotage);
                    runs.fetch_add(count, Ordering::Relaxed);
                    if let Some(failure) = failure {
                        keep_shortest(&mut found.lock().unwrap(), failure);
                        if sabotage != Sabotage::None {
                            // one proof is enough
                            next.store(combinations.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    Report {
        runs: runs.into_inner(),
        failure: found.into_inner().unwrap(),
    }
}

/// Runs every interleaving of these requests. Returns the number of runs, and the shortest one that broke a promise.
fn explore_requests(requests: &[Request], failures: usize, sabotage: Sabotage) -> (usize, Option<Failure>) {
    let mut decisions = Decisions::default();
    let (mut runs, mut shortest) = (0, None);
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let finished = runtime.block_on(run::run(requests, failures, sabotage, &mut decisions));
        if let Some(finished) = finished {
            runs += 1;
            if let Err(reason) = finished.verdict {
                let (requests, trace) = (requests.to_vec(), finished.trace);
                keep_shortest(
                    &mut shortest,
                    Failure {
                        requests,
                        reason,
                        trace,
                    },
                );
                if sabotage != Sabotage::None {
                    return (runs, shortest);
                }
            }
        }
        if !decisions.next() {
            return (runs, shortest);
        }
    }
}

fn keep_shortest(shortest: &mut Option<Failure>, failure: Failure) {
    if shortest
        .as_ref()
        .is_none_or(|shortest| failure.trace.len() < shortest.trace.len())
    {
        *shortest = Some(failure);
    }
}

/// Returns every combination of so many requests, in which a kind may occur more than once.
fn combinations(requests: usize) -> Vec<Vec<Request>> {
    let mut combinations = vec![Vec::new()];
    for _ in 0..requests {
        let extended = combinations.iter().flat_map(|combination: &Vec<Request>| {
            let last = combination.last().copied().unwrap_or(Request::Read);
            let following = Request::ALL.into_iter().filter(move |request| *request >= last);
            following.map(move |request| [combination.as_slice(), &[request]].concat())
        });
        combinations = extended.collect();
    }
    combinations
}
