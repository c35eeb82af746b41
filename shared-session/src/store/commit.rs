//! Committing changes: the place where concurrent requests are merged.

use std::sync::Arc;

use tokio::time::Instant;

use super::commit_queue::{Commit, Place, Reply, Turn, Waiting};
use super::record::EncodedRecord;
use super::{LoadedSession, RequestStore};
use crate::backend::Outcome;
use crate::error::Error;
use crate::session::change::Change;
use crate::timeout::until;

/// A record with the changes of several commits, and what became of each of them.
struct Merged {
    session: Box<LoadedSession>,
    /// `None` if there is nothing to write.
    record: Option<EncodedRecord>,
    /// The result of the request that merged them.
    own: Result<(), Error>,
    /// The results of the waiting requests, in their order.
    others: Vec<Result<(), Error>>,
}

impl RequestStore {
    /// Applies a request's change to what the session holds now. Fields that the change does not touch stay as other
    /// requests left them.
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] if the session was destroyed, revoked or expired meanwhile.
    /// - [`Error::Superseded`] if it was renewed meanwhile, and either the change sets the principal field or the renewal
    ///   was 30 s ago.
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
        let commit = Arc::new(Commit {
            change,
            verifier: session.metadata.verifier.clone(),
        });
        self.commit_as(session, commit)
    }

    /// Commits what a request that loaded the session under `commit.verifier` changed.
    pub(super) async fn commit_as(&self, session: Box<LoadedSession>, commit: Arc<Commit>) -> Result<(), Error> {
        loop {
            let turn = match self.store.0.commit_queues.enter(&session.key, &commit) {
                Place::First(turn) => turn,
                // a turn on a stalled thread must not take this request's whole time
                Place::Behind(reply) => {
                    match until(Instant::now() + self.time_left() * 3 / 4, reply).await {
                        Some(Ok(Reply::Committed(result))) => return result,
                        Some(Ok(Reply::Turn(turn))) => turn,
                        // another request's turn met an error that may not be this request's
                        Some(Err(_)) => continue,
                        None => Turn::alone(),
                    }
                }
            };
            return self.take_turn(turn, session, &commit).await;
        }
    }

    /// Commits to the session for this request and everybody who waits, in one write. Returns the result of `own`.
    async fn take_turn(&self, mut turn: Turn, mut session: Box<LoadedSession>, own: &Commit) -> Result<(), Error> {
        turn.include_waiting();
        // a clone: if this request is dropped, the next turn needs it
        if let Some(newer) = turn.record.clone() {
            *session = self.decode(session.key.clone(), newer)?;
        }
        let mut is_contended = false;
        loop {
            let before = session.bytes().clone();
            let merged = self.merge(session, own, &turn.waiting);
            session = merged.session;
            let Some(record) = merged.record else {
                turn.record = Some(before);
                reply(merged.others, &mut turn);
                return merged.own;
            };
            // first the index: then no session of a user is missing in it
            if let Some(entry) = &record.missing_entry
                && let Err(error) = self.add_to_index(entry).await
            {
                if turn.waiting.is_empty() {
                    return Err(error);
                }
                // it may be another request's sign-in that is refused: each tries on its own
                turn.waiting.clear();
                *session = self.decode(session.key.clone(), before)?;
                continue;
            }
            match self.replace(&session.key, &before, &record.bytes).await {
                Ok(Outcome::Applied) => {
                    turn.record = Some(record.bytes);
                    reply(merged.others, &mut turn);
                    return merged.own;
                }
                Ok(Outcome::Changed(newer)) => {
                    is_contended = true;
                    turn.record = Some(newer.clone());
                    *session = self.decode(session.key.clone(), newer)?;
                    turn.include_waiting();
                }
                Ok(Outcome::Gone) => return Err(share(Error::Ended, &mut turn)),
                Err(error @ (Error::Refused(_) | Error::CircuitOpen | Error::Unreadable { .. })) => {
                    return Err(share(error, &mut turn));
                }
                Err(Error::OutOfTime) if is_contended => return Err(Error::Contended),
                // the others may have more time left than this request: the next turn includes them
                Err(error) => return Err(error),
            }
        }
    }

    /// Applies the commits in the order of their arrival. A refused one changes nothing.
    fn merge(&self, mut session: Box<LoadedSession>, own: &Commit, waiting: &[Waiting]) -> Merged {
        let commits = || std::iter::once(own).chain(waiting.iter().map(|waiting| &*waiting.commit));
        // a refusal is rare: then each is tried on its own
        let original = (!waiting.is_empty()).then(|| session.clone());
        let (record, own, others) = match (self.apply_commits(&mut session, commits()), original) {
            (Ok(record), _) => (record, Ok(()), vec![Ok(()); waiting.len()]),
            (Err(error), None) => (None, Err(error), Vec::new()),
            (Err(_), Some(original)) => {
                session = original;
                let (record, results) = self.apply_each(&mut session, commits());
                let mut results = results.into_iter();
                (record, results.next().unwrap_or(Ok(())), results.collect())
            }
        };
        Merged {
            session,
            record,
            own,
            others,
        }
    }

    /// Applies each commit that is not refused. Returns the record with all of them, and the result of each.
    fn apply_each<'a>(
        &self,
        session: &mut LoadedSession,
        commits: impl Iterator<Item = &'a Commit>,
    ) -> (Option<EncodedRecord>, Vec<Result<(), Error>>) {
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
        let principal_field = &self.rules().principal_field;
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

    /// Refuses a commit to a session that was renewed since its request loaded it, unless that was a short time ago. A
    /// sign-in is always refused: another request was given the new id, perhaps that of another user.
    fn check_verifier(&self, session: &LoadedSession, commit: &Commit) -> Result<(), Error> {
        let (current, loaded) = (&session.metadata.verifier, &commit.verifier);
        if current == loaded {
            return Ok(());
        }
        let is_recent = |loaded| session.metadata.was_superseded(loaded, self.now());
        if loaded.as_ref().is_some_and(is_recent) && !commit.change.sets(&self.rules().principal_field) {
            return Ok(());
        }
        Err(Error::Superseded)
    }
}

/// Sends the waiting requests the results of their commits.
fn reply(results: Vec<Result<(), Error>>, turn: &mut Turn) {
    for (waiting, result) in turn.waiting.drain(..).zip(results) {
        // a request that is gone needs no reply
        let _ = waiting.request.send(Reply::Committed(result));
    }
}

/// Tells the waiting requests of an error that each of them would meet, and returns it.
fn share(error: Error, turn: &mut Turn) -> Error {
    for waiting in turn.waiting.drain(..) {
        let _ = waiting.request.send(Reply::Committed(Err(error.clone())));
    }
    error
}
