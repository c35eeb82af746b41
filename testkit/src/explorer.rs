//! The explorer: runs every interleaving of a few concurrent requests on one session, with every way in which a backend
//! operation or a request can fail, and checks the promises at the end of each run.
//!
//! The requests are spread over one or two processes, which share one backend in memory. Those of one process share its
//! store. Every operation waits for the explorer, which decides what happens next. An operation is performed, or fails, or is
//! performed and its reply is lost or late; or a request is dropped. The explorer tries all decisions, one run after the
//! other. Interleavings are equivalent if they only swap events of two processes that do not see each other; one of them is
//! run.

mod backend;
mod cache;
mod check;
mod choices;
mod decisions;
mod event;
mod processes;
mod requests;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::decisions::Decisions;

/// A request that comes with the session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Reads the session.
    Read,
    /// Sets a field of its own, and the shared one.
    Change,
    /// Sets the shared field, always to the same new value, and nothing else.
    Set,
    /// Sets the shared field to the value that it has before the requests, and nothing else.
    Reset,
    /// Renews the session and sets a field of its own.
    Renew,
    /// Does what [`Request::Change`] does, with the first id that the browser got from the other requests.
    NextChange,
    /// Renews the session and makes it another user's.
    SignIn,
    /// Renews the session and makes it a third user's, who stays signed in.
    SignInOther,
    /// Destroys the session.
    LogOut,
    /// Revokes all sessions of the user.
    Revoke,
    /// Lists the sessions of the user.
    List,
}

impl Request {
    /// Every kind of request.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::Change,
        Self::Set,
        Self::Reset,
        Self::Renew,
        Self::NextChange,
        Self::SignIn,
        Self::SignInOther,
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
    /// A commit that finds another record writes nothing, and succeeds.
    CommitIgnoresConflict,
    /// A commit whose record is the one that its process wrote last writes nothing, and succeeds.
    ProcessTrustsItsLastRecord,
    /// A log-out that finds another record than it read leaves it there.
    LogOutIgnoresChanges,
    /// A renewal whose outcome is unknown is left as it is.
    RenewalIsNotSettled,
    /// A renewal whose request is dropped when its response is complete is left as it is.
    DroppedResponseIsTakenAsDelivered,
    /// A log-out with a superseded id does nothing.
    LogOutMissesRenewal,
    /// A change under a superseded id begins a new session.
    ChangeBeginsSession,
    /// A change with the newest id is refused.
    NewestIdIsRefused,
    /// A commit that read a remembered record replaces any record.
    RememberedIsNotCompared,
    /// A commit that leaves a remembered record as it is writes nothing, and succeeds.
    ProcessTrustsRemembered,
    /// A remembered record that another id opens is taken as no session.
    RecalledRecordIsFinal,
}

impl Sabotage {
    /// Every fault.
    pub const ALL: [Self; 12] = [
        Self::CommitWithoutComparison,
        Self::CommitIgnoresConflict,
        Self::ProcessTrustsItsLastRecord,
        Self::LogOutIgnoresChanges,
        Self::RenewalIsNotSettled,
        Self::DroppedResponseIsTakenAsDelivered,
        Self::LogOutMissesRenewal,
        Self::ChangeBeginsSession,
        Self::NewestIdIsRefused,
        Self::RememberedIsNotCompared,
        Self::ProcessTrustsRemembered,
        Self::RecalledRecordIsFinal,
    ];
}

/// How much to explore.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The kinds of the requests.
    pub kinds: &'static [Request],
    /// How many requests run at the same time.
    pub requests: usize,
    /// How many operations of a run may fail, or lose their reply.
    pub failures: usize,
    /// How many replies of a run may be late.
    pub late: usize,
    /// How many requests of a run may be dropped.
    pub drops: usize,
    /// Whether a request may read any version of a record that its process read before, until the process changes the record.
    pub remembered: bool,
}

/// A request, and the number of the process that serves it.
pub type Placed = (Request, usize);

/// What an exploration found.
#[derive(Debug)]
pub struct Report {
    /// The number of runs.
    pub runs: usize,
    /// The shortest run that broke each promise.
    pub failures: Vec<Failure>,
}

/// A run that broke a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The requests of the run.
    pub requests: Vec<Placed>,
    /// The promise that does not hold.
    pub reason: String,
    /// What happened, in order.
    pub trace: Vec<String>,
}

/// The shortest run for each reason.
type Found = BTreeMap<String, Failure>;

/// Runs every interleaving of every combination of requests within the bounds, on all processors. With a sabotage, it
/// ends at the first run that breaks a promise.
///
/// # Panics
///
/// Panics if a runtime for the runs cannot be built.
#[must_use]
pub fn explore(bounds: Bounds, sabotage: Sabotage) -> Report {
    let combinations: Vec<_> = combinations(bounds).into_iter().collect();
    let (next, runs, found) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Found::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while let Some(requests) = combinations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut shortest = Found::new();
                    let count = explore_requests(requests, bounds, sabotage, &mut shortest);
                    runs.fetch_add(count, Ordering::Relaxed);
                    if sabotage != Sabotage::None && !shortest.is_empty() {
                        // one proof is enough
                        next.store(combinations.len(), Ordering::Relaxed);
                    }
                    for failure in shortest.into_values() {
                        keep_shortest(&mut found.lock().unwrap(), failure);
                    }
                }
            });
        }
    });
    let mut failures: Vec<_> = found.into_inner().unwrap().into_values().collect();
    failures.sort_by_key(|failure| failure.trace.len());
    Report {
        runs: runs.into_inner(),
        failures,
    }
}

/// Runs every interleaving of these requests. Returns the number of runs.
fn explore_requests(requests: &[Placed], bounds: Bounds, sabotage: Sabotage, found: &mut Found) -> usize {
    let mut decisions = Decisions::default();
    let mut runs = 0;
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        if let Some(finish) = runtime.block_on(run::run(requests, bounds, sabotage, &mut decisions)) {
            runs += 1;
            if let Err(reason) = finish.verdict {
                let (requests, trace) = (requests.to_vec(), finish.trace);
                let failure = Failure {
                    requests,
                    reason,
                    trace,
                };
                keep_shortest(found, failure);
            }
        }
        if !decisions.next() || sabotage != Sabotage::None && !found.is_empty() {
            return runs;
        }
    }
}

fn keep_shortest(found: &mut Found, failure: Failure) {
    let known = found.get(&failure.reason);
    if known.is_none_or(|known| failure.trace.len() < known.trace.len()) {
        found.insert(failure.reason.clone(), failure);
    }
}

/// Returns every combination of requests, spread over two processes in every way. A kind may occur more than once.
fn combinations(bounds: Bounds) -> BTreeSet<Vec<Placed>> {
    let mut combinations = BTreeSet::from([Vec::new()]);
    for _ in 0..bounds.requests {
        let extended = combinations.iter().flat_map(|combination: &Vec<Placed>| {
            let kinds = bounds.kinds.iter().flat_map(|kind| [(*kind, 0), (*kind, 1)]);
            kinds.map(move |placed| {
                let mut extended = [combination.as_slice(), &[placed]].concat();
                extended.sort_unstable();
                // the names of the processes mean nothing
                let mut renamed: Vec<_> = extended.iter().map(|(kind, process)| (*kind, 1 - process)).collect();
                renamed.sort_unstable();
                extended.min(renamed)
            })
        });
        combinations = extended.collect();
    }
    combinations
}
