//! What can happen next in a run.

use super::backend::{Fate, Operation};
use super::event::{Effect, Event};
use super::run::Run;

impl Run<'_> {
    /// Returns what can happen next, without events that only lead to a run equivalent to another one.
    pub(super) fn events(&self) -> Vec<Effect> {
        let last = self.last.as_ref();
        let operations = self.processes.operations.lock().unwrap();
        let replies = self.late.iter().map(Effect::of_reply);
        let drops = (0..self.requests.len()).filter(|number| self.left.drops > 0 && self.can_be_dropped(*number));
        let drops = drops.map(|number| Effect {
            event: Event::Drop(number),
            process: self.requests[number].1,
            operation: None,
        });
        let waiting = operations
            .waiting
            .iter()
            .filter(|operation| !self.begins_before_its_twin(operation));
        let waiting =
            waiting.flat_map(|operation| self.fates(operation).map(|fate| Effect::of_operation(operation, fate)));
        let events = replies.chain(drops).chain(waiting);
        let mut events: Vec<_> = events.filter(|event| !event.is_redundant(last)).collect();
        // an unknown renewal is settled after a pause: it may overtake the operations that wait
        if self.may_pause {
            events.push(Effect {
                event: Event::Pause,
                process: 0,
                operation: None,
            });
        }
        events
    }

    fn fates(&self, operation: &Operation) -> impl Iterator<Item = Fate> + use<> {
        let is_recall = operation.versions.is_some();
        let versions = operation.versions.as_ref().map_or(0, |versions| versions());
        let (awaited, failures) = (operation.is_awaited(), self.left.failures > 0);
        let fates = [
            (Fate::Performed, true),
            (Fate::Failed, awaited && failures && !is_recall),
            // the loss of a reply that nothing depends on is a failure
            (Fate::ReplyLost, awaited && failures && operation.writes),
            (Fate::ReplyLate, awaited && self.left.late > 0 && !is_recall),
        ];
        let fates = fates
            .into_iter()
            .filter_map(|(fate, possible)| possible.then_some(fate));
        fates.chain((0..versions).map(Fate::Recalled))
    }

    /// Returns whether an earlier, equal request of the same process has not begun: it begins first.
    fn begins_before_its_twin(&self, operation: &Operation) -> bool {
        operation.request.is_some_and(|number| {
            let has_not_begun = |number: usize| self.began[number].is_none();
            let is_twin = |twin: usize| self.requests[twin] == self.requests[number] && has_not_begun(twin);
            has_not_begun(number) && (0..number).any(is_twin)
        })
    }

    fn can_be_dropped(&self, number: usize) -> bool {
        let responses = self.browser.responses.lock().unwrap();
        let is_answered = responses.iter().any(|response| response.number == number);
        let has_begun = self.began[number].is_some() && self.requests[number].0.writes();
        has_begun && !is_answered && !self.dropped.contains(&number)
    }
}
