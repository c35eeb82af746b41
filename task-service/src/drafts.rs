//! Drafts: the tasks of a signed-out user, stored in the session.
//!
//! Each draft is a session field of its own, `draft:<id>`. The session is merged field by field, so drafts that
//! concurrent requests add are all kept. If concurrent requests change the same draft, the last one wins.

use service_kit::Failure;
use shared_session::Session;

use crate::task::{self, Change, Task, TaskId};

/// The maximum number of drafts in a session. Concurrent requests do not see each other's drafts and can exceed it.
pub const LIMIT: usize = 50;

const FIELD_PREFIX: &str = "draft:";

/// The drafts of a session.
#[derive(Clone)]
pub struct Drafts(Session);

impl Drafts {
    /// Creates a view of the drafts in `session`.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self(session.clone())
    }

    /// Returns all drafts, the oldest first. Ignores fields whose name does not end in a valid task id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if a draft is invalid. The session is unchanged then.
    pub fn list(&self) -> Result<Vec<Task>, Failure> {
        let entries = self.0.entries();
        let drafts = entries.iter().filter_map(|(name, json)| {
            let id = TaskId::parse(name.strip_prefix(FIELD_PREFIX)?)?;
            Some(decode(id, json))
        });
        let mut drafts = drafts.collect::<Result<Vec<Task>, Failure>>()?;
        task::sort(&mut drafts);
        Ok(drafts)
    }

    /// Adds a draft. Returns `false` if the session already holds [`LIMIT`] drafts.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if a draft in the session is invalid, and [`Failure::Internal`] if the session
    /// rejects the new one.
    pub fn add(&self, draft: &Task) -> Result<bool, Failure> {
        let has_room = self.list()?.len() < LIMIT;
        if has_room {
            self.insert(draft)?;
        }
        Ok(has_room)
    }

    /// Changes a draft. Returns `false` if the session holds no draft with this id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if the draft is invalid. The session is unchanged then.
    pub fn update(&self, id: &TaskId, change: &Change) -> Result<bool, Failure> {
        let Some(mut draft) = self.find(id)? else {
            return Ok(false);
        };
        if draft.apply(change) {
            self.insert(&draft)?;
        }
        Ok(true)
    }

    /// Removes a draft. Returns `false` if the session holds no draft with this id.
    pub fn remove(&self, id: &TaskId) -> bool {
        self.0.remove(&field_name(id)).is_some()
    }

    fn find(&self, id: &TaskId) -> Result<Option<Task>, Failure> {
        let entries = self.0.entries();
        let json = entries.get(&field_name(id));
        json.map(|json| decode(id.clone(), json)).transpose()
    }

    fn insert(&self, draft: &Task) -> Result<(), Failure> {
        let result = self.0.insert(field_name(&draft.id), draft);
        result.map_err(|error| Failure::Internal(error.to_string()))
    }
}

fn decode(id: TaskId, json: &str) -> Result<Task, Failure> {
    Task::from_json(id, json.as_bytes()).ok_or(Failure::Unreadable("draft"))
}

fn field_name(id: &TaskId) -> String {
    format!("{FIELD_PREFIX}{id}")
}
