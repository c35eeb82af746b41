//! Committing changes: the place where concurrent requests are merged.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::commit_queue::{Commit, Queue, Waiting};
use super::record::EncodedRecord;
use super::{LoadedSession, RequestStore};
use crate::backend::{BackendError, Outcome};
use crate::error::Error;
use crate::session::change::Change;
use crate::timeout::until;

/// The results of the commits of a turn, in their order.
type Results = Vec<Result<(), Error>>;

impl RequestStore {
    /// Applies a request's change to what the session holds now. Fields that the change does not touch stay as other
    /// requests left them. The commit ends even if this future is dropped.
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] if the session was destroyed, revoked or expired meanwhile.
    /// - [`Error::Superseded`] if it was renewed meanwhile, and the change sets the principal field or comes 30 s or more after
    ///   the renewal.
    /// - [`Error::Contended`] if other requests kept changing the session until the deadline.
    /// - An error if the store is unavailable or refuses the change.
    ///
    /// The change is then not stored, except after [`Error::Unavailable`], when it may be.
    pub fn commit(
        &self,
        session: impl Into<Box<LoadedSession>>,
        change: Change,
    ) -> impl Future<Output = Result<(), Error>> {
        let session = session.into();
        let verifier = session.metadata.verifier.clone();
        self.commit_as(session, Commit::new(change, verifier))
    }

    /// Commits the change of a request that loaded the session with `commit.verifier`.
    pub(super) async fn commit_as(&self, session: Box<LoadedSession>, commit: Commit) -> Result<(), Error> {
        let (key, bytes, commit) = (session.key.clone(), session.bytes().clone(), Arc::new(commit));
        let (waiting, result) = Waiting::new(commit.clone(), session, self.clone());
        let result = match self.store.0.commit_queues.enter(waiting) {
            Some(queue) => {
                self.store.0.tasks.begin(Box::pin(empty(queue))).await;
                result.await.ok()
            }
            // a task on a stalled thread must not take this request's whole time
            None => until(Instant::now() + self.time_left() * 3 / 4, result)
                .await
                .and_then(Result::ok),
        };
        if let Some(result) = result {
            return result;
        }
        commit.leave();
        let alone = Commit::new(commit.change.clone(), commit.verifier.clone());
        self.commit_alone(Box::new(self.decode(key, bytes)?), alone).await
    }

    /// Commits outside of the queue.
    async fn commit_alone(&self, session: Box<LoadedSession>, commit: Commit) -> Result<(), Error> {
        let queue = Queue::alone(&session.key);
        let (waiting, result) = Waiting::new(Arc::new(commit), session, self.clone());
        let turn = async move {
            take_turn(&queue, vec![waiting], None).await;
        };
        self.store.run_to_end(turn).await;
        let ended = || Err(Error::Unavailable(BackendError::unavailable("the process is ending")));
        result.await.unwrap_or_else(|_| ended())
    }

    /// Applies the commits in their order. Returns the record with their changes, or `None` if there is nothing to write.
    /// A refused commit changes nothing.
    fn merge(&self, mut session: Box<LoadedSession>, turn: &[Waiting]) -> (Option<EncodedRecord>, Results) {
        let commits = || turn.iter().map(|waiting| &*waiting.commit);
        // if one is refused, which is rare, each is tried on its own
        let original = (turn.len() > 1).then(|| session.clone());
        match (self.apply_commits(&mut session, commits()), original) {
            (Ok(record), _) => (record, vec![Ok(()); turn.len()]),
            (Err(error), None) => (None, vec![Err(error)]),
            (Err(_), Some(mut original)) => self.apply_each(&mut original, commits()),
        }
    }

    /// Applies each commit that is not refused. Returns the record with all of them, and the result of each.
    fn apply_each<'a>(
        &self,
        session: &mut LoadedSession,
        commits: impl Iterator<Item = &'a Commit>,
    ) -> (Option<EncodedRecord>, Results) {
        let mut record: Option<EncodedRecord> = None;
        let results = commits.map(|commit| {
            let mut changed = session.clone();
            if let Some(mut encoded) = self.apply_commits(&mut changed, std::iter::once(commit))? {
                let earlier = record.take().and_then(|record| record.missing_entry);
                encoded.missing_entry = encoded.missing_entry.or(earlier);
                record = Some(encoded);
            }
            *session = changed;
            Ok(())
        });
        let results = results.collect();
        (record, results)
    }

    /// Returns the record with the commits' changes, or `None` if the record has them already. After an error, the session is
    /// half changed.
    fn apply_commits<'a>(
        &self,
        session: &mut LoadedSession,
        commits: impl Iterator<Item = &'a Commit>,
    ) -> Result<Option<EncodedRecord>, Error> {
        self.check_lifetime(session)?;
        let principal_field = self.principal_field();
        let (mut is_updated, mut missing_entry) = (false, None);
        for commit in commits {
            self.check_verifier(session, commit)?;
            let start = session.metadata.lifetime_start();
            self.apply(session, &commit.change)?;
            let is_changed = session.fields.is_touched() || session.metadata.lifetime_start() != start;
            // no other change concerns the index
            if is_changed && (!is_updated || commit.change.touches(principal_field)) {
                missing_entry = self.update_metadata(session, commit.change.device()).or(missing_entry);
                is_updated = true;
            }
        }
        if !is_updated {
            return Ok(None);
        }
        self.encode_updated(session, missing_entry).map(Some)
    }

    /// Checks whether the session was renewed since the commit's request loaded it. Refuses the commit if that was too long
    /// ago, or if it sets the principal: another user may have the new id.
    fn check_verifier(&self, session: &LoadedSession, commit: &Commit) -> Result<(), Error> {
        let (current, loaded) = (&session.metadata.verifier, &commit.verifier);
        if current == loaded {
            return Ok(());
        }
        let is_recent = |loaded| session.metadata.was_superseded(loaded, self.now());
        if loaded.as_ref().is_some_and(is_recent) && !commit.change.sets(self.principal_field()) {
            return Ok(());
        }
        Err(Error::Superseded)
    }
}

/// Commits everybody who waits, turn by turn, until nobody waits.
async fn empty(mut queue: Queue) {
    let mut record = None;
    while let Some(turn) = queue.next() {
        record = take_turn(&queue, turn, record).await;
    }
}

/// Makes the commits of a turn in one write, by the deadline of the first one, and replies to them. After an error that may
/// concern the first one alone, the others wait again. `left` is the record after the previous turn; returns the one after
/// this turn.
///
/// A record in memory may be old. So the backend compares it before any reply, even if there is nothing to write.
async fn take_turn(queue: &Queue, mut turn: Vec<Waiting>, left: Option<Bytes>) -> Option<Bytes> {
    let (mut base, mut is_contended) = (left, false);
    loop {
        // one that left was made elsewhere: repeating it could overwrite a later change
        turn.retain(|waiting| !waiting.commit.has_left());
        let Some(first) = turn.first_mut() else { return base };
        let (store, key) = (first.store.clone(), first.key.clone());
        let session = match (base.take(), first.session.take()) {
            (Some(bytes), _) => match store.decode(key.clone(), bytes) {
                Ok(session) => Box::new(session),
                Err(error) => return reply_all(turn, &Err(error)),
            },
            (None, Some(loaded)) => loaded,
            // only the first one's session is taken, and the first one never waits again
            (None, None) => return None,
        };
        let before = session.bytes().clone();
        // a commit gives no new id, so the session stays as long as it did
        let idle_time = store.idle_time(session.is_remembered());
        let (merged, results) = store.merge(session, &turn);
        let (record, missing_entry) = match merged {
            Some(merged) => (merged.bytes, merged.missing_entry),
            None => (before.clone(), None),
        };
        // first the index: then no session of a user is missing in it
        if let Some(entry) = &missing_entry
            && let Err(error) = store.add_to_index(entry).await
        {
            if turn.len() == 1 {
                return reply_all(turn, &Err(error));
            }
            // the refused sign-in may be another commit's: the first one goes on alone
            queue.put_back(turn.split_off(1));
            base = Some(before);
            continue;
        }
        match store.replace(&key, &before, &record, idle_time).await {
            Ok(Outcome::Applied) => {
                for (waiting, result) in turn.into_iter().zip(results) {
                    waiting.reply(result);
                }
                return Some(record);
            }
            Ok(Outcome::Changed(newer)) => {
                (base, is_contended) = (Some(newer), true);
                queue.join(&mut turn);
            }
            Ok(Outcome::Gone) => return reply_all(turn, &Err(Error::Ended)),
            Err(error @ (Error::Refused(_) | Error::CircuitOpen | Error::Unreadable { .. })) => {
                return reply_all(turn, &Err(error));
            }
            // the others may have more time left than the first
            Err(error) => {
                queue.put_back(turn.split_off(1));
                let is_late = is_contended && matches!(error, Error::OutOfTime);
                return reply_all(turn, &Err(if is_late { Error::Contended } else { error }));
            }
        }
    }
}

/// Sends the same reply to all commits of a turn. Returns `None`, because the record is unknown.
fn reply_all(turn: Vec<Waiting>, result: &Result<(), Error>) -> Option<Bytes> {
    for waiting in turn {
        waiting.reply(result.clone());
    }
    None
}
