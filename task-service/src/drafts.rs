//! Drafts: the tasks of who is not signed in, in the session itself. Knows nothing of people and of what is kept for them.
//!
//! Each draft is a field of its own, `draft:<id>`, because a session is merged field by field: drafts that requests add
//! at the same time, in whichever services, are all kept. For one and the same draft the last request wins.

use service_kit::Failure;
use shared_session::Session;

use crate::task::{self, Change, Task, TaskId};

/// How many drafts a session holds. Requests at the same moment each count what was there before them, so there may
/// be more by as many as those were.
pub const LIMIT: usize = 50;

const FIELD: &str = "draft:";

/// The drafts of a session.
#[derive(Clone)]
pub struct Drafts(Session);

impl Drafts {
    /// Those of this one.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        Self(session.clone())
    }

    /// All of them, the oldest first. A field whose name has no task's id in it is somebody else's.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreadable`] when one of them cannot be read; all of them stay as they are.
    pub fn list(&self) -> Result<Vec<Task>, Failure> {
        let entries = self.0.entries();
        let drafts = entries.iter().filter_map(|(name, kept)| {
            let id = TaskId::parse(name.strip_prefix(FIELD)?)?;
            Some(Task::read(id, kept.as_bytes()).ok_or(Failure::Unreadable("draft")))
        });
        let mut drafts = drafts.collect::<Result<Vec<Task>, Failure>>()?;
        task::sort(&mut drafts);
        Ok(drafts)
    }

    /// Adds a draft, and says whether there was room for it.
    ///
    /// # Errors
    ///
    /// [`Failure::Internal`] when the session does not take it.
    pub fn add(&self, draft: &Task) -> Result<bool, Failure> {
        let room = self.list()?.len() < LIMIT;
        if room {
            self.put(draft)?;
        }
        Ok(room)
    }

    /// Changes a draft. `false` when there is none of that id.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreadable`] when it cannot be read; it stays as it is.
    pub fn update(&self, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let Some(mut draft) = self.find(id)? else {
            return Ok(false);
        };
        if draft.apply(change) {
            self.put(&draft)?;
        }
        Ok(true)
    }

    /// Removes a draft. `false` when there is none of that id.
    pub fn remove(&self, id: &TaskId) -> bool {
        self.0.remove(&name(id)).is_some()
    }

    fn find(&self, id: &TaskId) -> Result<Option<Task>, Failure> {
        let entries = self.0.entries();
        let kept = entries.get(&name(id));
        let draft = kept.map(|kept| Task::read(id.clone(), kept.as_bytes()).ok_or(Failure::Unreadable("draft")));
        draft.transpose()
    }

    fn put(&self, draft: &Task) -> Result<(), Failure> {
        let put = self.0.insert(name(&draft.id), draft);
        put.map_err(|error| Failure::Internal(error.to_string()))
    }
}

fn name(id: &TaskId) -> String {
    format!("{FIELD}{id}")
}
