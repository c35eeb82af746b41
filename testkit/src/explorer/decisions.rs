//! The decisions of a run, tried in order: the first run takes the first option everywhere, and each further one changes
//! the last decision that has an option left.

/// The decisions of the present run.
#[derive(Default)]
pub(super) struct Decisions {
    taken: Vec<Decision>,
    depth: usize,
}

struct Decision {
    option: usize,
    options: usize,
}

impl Decisions {
    /// Returns which of the options to take.
    pub fn decide(&mut self, options: usize) -> usize {
        if self.depth == self.taken.len() {
            self.taken.push(Decision { option: 0, options });
        }
        let decision = &self.taken[self.depth];
        assert_eq!(decision.options, options, "a run does not repeat");
        self.depth += 1;
        decision.option
    }

    /// Prepares the next run. Returns `false` if there is none.
    pub fn next(&mut self) -> bool {
        self.taken.truncate(self.depth);
        self.depth = 0;
        while let Some(decision) = self.taken.last_mut() {
            decision.option += 1;
            if decision.option < decision.options {
                return true;
            }
            self.taken.pop();
        }
        false
    }
}
