//! One run: starts the requests, and lets their operations happen in the order that the decisions say.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::backend::{Fate, Operation};
use super::check::{self, Finished};
use super::decisions::Decisions;
use super::requests::{Response, Stores, respond};
use super::{Request, Sabotage};
use crate::testing::set;

/// Longer than the longest pause of a renewal that is being settled.
const SETTLED: Duration = Duration::from_millis(600);

/// A run that came to its end.
pub(super) struct Run {
    pub verdict: Result<(), String>,
    pub trace: Vec<String>,
}

/// Runs the requests once. Returns `None` if another run has the same operations in an equivalent order.
pub(super) async fn run(
    requests: &[Request],
    failures: usize,
    sabotage: Sabotage,
    decisions: &mut Decisions,
) -> Option<Run> {
    let stores = Stores::new(sabotage);
    let id = stores
        .free()
        .request()
        .create(&set(&[("a", "1"), ("userid", "\"anna\"")]))
        .await
        .unwrap();
    let responses: Arc<Mutex<Vec<Response>>> = Arc::default();
    for (number, request) in requests.iter().copied().enumerate() {
        let (store, id, responses) = (stores.of_request(number), id.clone(), responses.clone());
        tokio::spawn(async move {
            let result = respond(&store, request, number, &id, sabotage).await;
            responses.lock().unwrap().push(Response {
                number,
                request,
                result,
            });
        });
    }
    let trace = schedule(&stores, requests, failures, decisions).await?;
    let responses = Arc::into_inner(responses).map(|responses| responses.into_inner().unwrap());
    let finished = Finished {
        id,
        responses: responses.unwrap_or_default(),
        stores: &stores,
    };
    let verdict = if finished.responses.len() == requests.len() {
        check::check(&finished).await
    } else {
        Err("a request got no response".to_owned())
    };
    Some(Run { verdict, trace })
}

/// Lets one operation after the other happen until none is left.
async fn schedule(
    stores: &Stores,
    requests: &[Request],
    mut failures: usize,
    decisions: &mut Decisions,
) -> Option<Vec<String>> {
    let mut trace = Vec::new();
    let mut last: Option<Taken> = None;
    let mut may_wait = false;
    loop {
        // time stands still while a task can go on: so then all of them wait
        sleep(Duration::from_millis(1)).await;
        let mut waiting = std::mem::take(&mut *stores.waiting.lock().unwrap());
        if waiting.is_empty() {
            sleep(SETTLED).await;
            if stores.waiting.lock().unwrap().is_empty() {
                return Some(trace);
            }
            continue;
        }
        let options: Vec<usize> = (0..waiting.len())
            .filter(|option| !is_redundant(&waiting[*option], last.as_ref()))
            .collect();
        let fates: &[Fate] = if failures > 0 {
            &[Fate::Performed, Fate::Failed, Fate::ReplyLost]
        } else {
            &[Fate::Performed]
        };
        // an unknown renewal is settled after a pause: it may overtake the operations that wait
        let choices = options.len() * fates.len() + usize::from(may_wait);
        if choices == 0 {
            return None;
        }
        let choice = decisions.decide(choices);
        if choice == options.len() * fates.len() {
            may_wait = false;
            last = None;
            trace.push("a pause".to_owned());
            stores.waiting.lock().unwrap().append(&mut waiting);
            sleep(SETTLED).await;
            continue;
        }
        let fate = fates[choice % fates.len()];
        let operation = waiting.remove(options[choice / fates.len()]);
        trace.push(describe(requests, &operation, fate));
        if fate != Fate::Performed {
            failures -= 1;
            may_wait = true;
        }
        last = Some(Taken {
            request: operation.request,
            key: operation.key.clone(),
            writes: operation.writes,
            others: waiting.iter().map(|operation| operation.request).collect(),
        });
        stores.waiting.lock().unwrap().append(&mut waiting);
        operation.decide(fate);
    }
}

/// The operation that happened last.
struct Taken {
    request: usize,
    key: String,
    writes: bool,
    /// The requests whose operations waited beside it.
    others: Vec<usize>,
}

/// Returns whether the operation could have happened before the last one with the same effect. That order is another run.
fn is_redundant(operation: &Operation, last: Option<&Taken>) -> bool {
    last.is_some_and(|last| {
        let independent = last.key != operation.key || !(last.writes || operation.writes);
        independent && operation.request < last.request && last.others.contains(&operation.request)
    })
}

fn describe(requests: &[Request], operation: &Operation, fate: Fate) -> String {
    let request = requests[operation.request];
    let fate = match fate {
        Fate::Performed => "",
        Fate::Failed => ", which fails",
        Fate::ReplyLost => ", whose reply is lost",
    };
    format!("{request:?} {}: {}{fate}", operation.request, operation.name)
}
