//! One run: starts the requests, and follows the decisions.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::backend::{Fate, LateReply, Operation, REQUEST};
use super::check::{self, Finished};
use super::decisions::Decisions;
use super::event::{Event, Last};
use super::processes::Processes;
use super::requests::{Browser, SHARED, USER, key};
use super::{Bounds, Placed, Sabotage};
use crate::contract::set;

/// How long time passes at once: longer than the longest pause of a renewal that is being settled.
const SETTLED: Duration = Duration::from_millis(600);

/// A run that came to its end.
pub(super) struct Finish {
    pub verdict: Result<(), String>,
    pub trace: Vec<String>,
}

/// A run, and what it may still do.
pub(super) struct Run<'a> {
    pub(super) requests: &'a [Placed],
    pub(super) processes: &'a Processes,
    pub(super) browser: Arc<Browser>,
    tasks: Vec<AbortHandle>,
    /// The step at which the first operation of each request happened.
    pub(super) began: Vec<Option<usize>>,
    pub(super) dropped: Vec<usize>,
    pub(super) late: Vec<LateReply>,
    pub(super) left: Bounds,
    decisions: &'a mut Decisions,
    pub(super) last: Option<Last>,
    pub(super) may_pause: bool,
}

/// Runs the requests once. Returns `None` if another run has the same events in an equivalent order.
pub(super) async fn run(
    requests: &[Placed],
    bounds: Bounds,
    sabotage: Sabotage,
    decisions: &mut Decisions,
) -> Option<Finish> {
    let processes = &Processes::new(sabotage);
    let user = format!("\"{USER}\"");
    let fields = set(&[("a", "1"), SHARED, ("userid", &user)]);
    let id = processes.free.request().create(&fields).await.unwrap();
    let browser = Arc::new(Browser::new(id, bounds.remembered, sabotage));
    if bounds.remembered {
        processes.remember(key(&browser.id).as_str()).await;
    }
    let tasks = requests.iter().enumerate().map(|(number, (request, process))| {
        let (browser, process, request) = (browser.clone(), processes.scheduled[*process].clone(), *request);
        let sent = async move { browser.send(&process, request, number).await };
        tokio::spawn(REQUEST.scope(number, sent)).abort_handle()
    });
    let mut run = Run {
        requests,
        processes,
        tasks: tasks.collect(),
        browser: browser.clone(),
        began: vec![None; requests.len()],
        dropped: Vec::new(),
        late: Vec::new(),
        left: bounds,
        decisions,
        last: None,
        may_pause: false,
    };
    if !run.schedule(sabotage).await {
        return None;
    }
    let finished = Finished {
        requests,
        began: run.began,
        dropped: run.dropped,
        failed: run.left.failures < bounds.failures,
        browser: &browser,
        store: &processes.free,
    };
    let verdict = check::check(&finished).await;
    let trace = std::mem::take(&mut *browser.trace.lock().unwrap());
    Some(Finish { verdict, trace })
}

impl Run<'_> {
    /// Makes one event after the other happen until none is left. Returns `false` if another run is equivalent.
    async fn schedule(&mut self, sabotage: Sabotage) -> bool {
        loop {
            self.settle().await;
            if self.end_response(sabotage) {
                continue;
            }
            if self.is_idle() {
                sleep(SETTLED).await;
                if self.is_idle() {
                    return true;
                }
                continue;
            }
            let events = self.events();
            if events.is_empty() {
                return false;
            }
            let effect = events[self.decisions.decide(events.len())].clone();
            *self.browser.step.lock().unwrap() += 1;
            let arrived = self.processes.operations.lock().unwrap().arrived;
            let event = effect.event;
            self.last = Some(Last { effect, arrived });
            match event {
                Event::HandleReply(number) => self.handle_reply(number),
                Event::Drop(number) => self.drop_request(number).await,
                Event::Operate(number, fate) => self.operate(number, fate).await,
                Event::Pause => {
                    self.say("a pause".to_owned());
                    (self.may_pause, self.last) = (false, None);
                    sleep(SETTLED).await;
                    // the pause changed nothing
                    if self.processes.operations.lock().unwrap().arrived == arrived {
                        return false;
                    }
                }
            }
        }
    }

    /// Waits until every task waits. Forgets what nobody waits for.
    async fn settle(&mut self) {
        // time stands still while a task can go on
        sleep(Duration::from_millis(1)).await;
        self.late.retain(LateReply::is_awaited);
        let mut operations = self.processes.operations.lock().unwrap();
        operations
            .waiting
            .retain(|operation| operation.writes || operation.is_awaited());
    }

    fn is_idle(&self) -> bool {
        let nothing_waits = self.processes.operations.lock().unwrap().waiting.is_empty();
        nothing_waits && self.late.is_empty() && self.browser.undelivered.lock().unwrap().is_empty()
    }

    /// Decides about a response that is complete: it reaches the browser, or its request is dropped. Returns whether there
    /// was one.
    fn end_response(&mut self, sabotage: Sabotage) -> bool {
        let Some(response) = self.browser.undelivered.lock().unwrap().pop() else {
            return false;
        };
        if self.left.drops == 0 || self.decisions.decide(2) == 0 {
            // the explorer waits for it
            let _ = response.reaches.send(true);
            return true;
        }
        self.say(format!("{} is dropped, with its response", self.name(response.number)));
        self.count_drop(response.number);
        if sabotage == Sabotage::DroppedResponseIsTakenAsDelivered {
            let _ = response.reaches.send(false);
        } else {
            self.tasks[response.number].abort();
        }
        true
    }

    fn count_drop(&mut self, number: usize) {
        self.left.drops -= 1;
        self.dropped.push(number);
        self.has_disturbed();
    }

    /// Notes that a renewal may have to be settled.
    fn has_disturbed(&mut self) {
        self.may_pause = self.requests.iter().any(|(request, _)| request.renews());
    }

    fn handle_reply(&mut self, number: usize) {
        let Some(place) = self.late.iter().position(|reply| reply.number == number) else {
            return;
        };
        let reply = self.late.remove(place);
        self.say(format!("{}: the reply is handled", reply.description));
        reply.deliver();
    }

    /// Drops a request. An operation that it had sent takes effect later, or never.
    async fn drop_request(&mut self, number: usize) {
        self.tasks[number].abort();
        self.settle().await;
        let mut operations = self.processes.operations.lock().unwrap();
        let left_behind = operations.waiting.iter().any(|operation| !operation.is_awaited());
        let is_lost = left_behind && self.decisions.decide(2) == 1;
        if is_lost {
            operations.waiting.retain(Operation::is_awaited);
        }
        drop(operations);
        let lost = if is_lost { ", and its operation is lost" } else { "" };
        self.say(format!("{} is dropped{lost}", self.name(number)));
        self.count_drop(number);
    }

    async fn operate(&mut self, number: usize, fate: Fate) {
        let Some((operation, key)) = self.processes.operations.lock().unwrap().take(number) else {
            return;
        };
        if let Some(request) = operation.request {
            let step = *self.browser.step.lock().unwrap();
            self.began[request].get_or_insert(step);
        }
        let asker = match operation.request {
            Some(request) => self.name(request),
            None => format!("{} (a task of its own)", letter(operation.process)),
        };
        let description = format!("{asker}: {} of key {key}", operation.name);
        let suffix = match fate {
            Fate::Performed => "",
            Fate::Failed => ", which fails",
            Fate::ReplyLost => ", whose reply is lost",
            Fate::ReplyLate => ", whose reply is late",
            Fate::Recalled(_) => ", which finds a remembered record",
        };
        self.say(format!("{description}{suffix}"));
        match fate {
            Fate::Performed | Fate::Recalled(_) => {}
            Fate::Failed | Fate::ReplyLost => {
                self.left.failures -= 1;
                self.has_disturbed();
            }
            Fate::ReplyLate => self.left.late -= 1,
        }
        self.late.extend(operation.decide(fate, &description).await);
    }

    fn name(&self, number: usize) -> String {
        let (request, process) = self.requests[number];
        format!("{} {request:?} {number}", letter(process))
    }

    fn say(&self, line: String) {
        self.browser.trace.lock().unwrap().push(line);
    }
}

fn letter(process: usize) -> char {
    if process == 0 { 'A' } else { 'B' }
}
