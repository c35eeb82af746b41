//! The events of a run, and which orders of them are equivalent.

use super::backend::{Fate, LateReply, Operation};

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A process handles the late reply of the operation with this number.
    HandleReply(usize),
    /// The request with this number is dropped.
    Drop(usize),
    /// The operation with this number meets its fate.
    Operate(usize, Fate),
    /// Time passes, until every task in the background has gone on.
    Pause,
}

/// What an event touches.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub event: Event,
    pub process: usize,
    /// The key of an operation, and whether it writes.
    pub operation: Option<(String, bool)>,
}

/// The event that happened last.
pub(super) struct Last {
    pub effect: Effect,
    /// How many operations had arrived before it.
    pub arrived: usize,
}

impl Effect {
    pub fn of_operation(operation: &Operation, fate: Fate) -> Self {
        Self {
            event: Event::Operate(operation.number, fate),
            process: operation.process,
            operation: Some((operation.key.clone(), operation.writes)),
        }
    }

    pub fn of_reply(reply: &LateReply) -> Self {
        Self {
            event: Event::HandleReply(reply.number),
            process: reply.process,
            operation: None,
        }
    }

    /// Returns the event's place in the order of equivalent runs. Only the first one of them is run.
    fn rank(&self) -> (usize, usize) {
        match self.event {
            Event::HandleReply(number) => (0, number),
            Event::Drop(number) => (1, number),
            Event::Operate(number, _) => (2, number),
            Event::Pause => (3, 0),
        }
    }

    /// Returns whether two events certainly have the same effect in either order. Those of one process may not, because its
    /// requests share a store.
    fn is_independent_of(&self, other: &Self) -> bool {
        let same_record = match (&self.operation, &other.operation) {
            (Some((key, writes)), Some((other_key, other_writes))) => key == other_key && (*writes || *other_writes),
            _ => false,
        };
        self.process != other.process && !same_record
    }

    /// Returns whether another run covers the event: it could have happened before the last one with the same effect, or it
    /// would have made the last one another event.
    pub fn is_redundant(&self, last: Option<&Last>) -> bool {
        last.is_some_and(|last| {
            let was_possible = match self.event {
                Event::Operate(number, _) => number < last.arrived,
                // an event of another process did not make it possible either
                Event::HandleReply(_) | Event::Drop(_) => true,
                Event::Pause => false,
            };
            let swapped = was_possible && self.rank() < last.effect.rank() && self.is_independent_of(&last.effect);
            swapped || self.handles_reply_of(&last.effect)
        })
    }

    /// Returns whether this is a late reply that is not late, because nothing happened meanwhile.
    fn handles_reply_of(&self, last: &Self) -> bool {
        matches!((self.event, last.event), (Event::HandleReply(number), Event::Operate(last, _)) if number == last)
    }
}
