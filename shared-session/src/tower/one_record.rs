//! [`OneRecord`]: the store behind a request's [`Session`](tower_sessions_core::Session). It has the fields of that request's
//! session and notes what the handler does.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::Result;
use tower_sessions_core::{Session, SessionStore};

use crate::http::{Change, Exchange, Failure, JsonValue, Wish};

type Values = HashMap<String, Value>;

/// The one record of a request's session.
#[derive(Default)]
pub(super) struct OneRecord(Mutex<State>);

/// `cycle_id` and `flush` both delete the record. Only the next operation tells them apart: after `cycle_id`, the record has
/// another id.
#[derive(Default)]
struct State {
    loaded: Values,
    /// What the handler left, once it is saved.
    saved: Option<Values>,
    /// The id that was deleted last, until the next operation.
    deleted: Option<Id>,
    has_new_id: bool,
    is_ended: bool,
}

impl fmt::Debug for OneRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OneRecord")
    }
}

impl OneRecord {
    /// Returns the session that handlers get, with the fields of the exchange.
    ///
    /// # Errors
    ///
    /// Returns [`Failure`] if a value is not valid JSON.
    pub fn fill(exchange: &Exchange) -> std::result::Result<(Arc<Self>, Session), Failure> {
        let mut loaded = Values::new();
        for (name, json) in exchange.fields() {
            let value = Value::from_json(json).map_err(|error| exchange.unreadable(error))?;
            loaded.insert(name.to_owned(), value);
        }
        // a session that came with no cookie has no id; any other one has, so that the store learns of a `flush`
        let id = exchange.has_cookie().then(|| id(exchange));
        let store = Arc::new(Self(Mutex::new(State {
            loaded,
            ..State::default()
        })));
        let session = Session::new(id, store.clone(), None);
        Ok((store, session))
    }

    /// Returns what the handler wants of its session.
    pub async fn drain(&self, session: &Session, exchange: &Exchange) -> (Wish, Change) {
        if session.is_modified() {
            // this store cannot fail
            let _ = session.save().await;
        }
        let mut state = std::mem::take(&mut *self.lock());
        state.settle(None);
        let Some(saved) = state.saved else {
            let wish = if state.is_ended { Wish::Destroy } else { Wish::Keep };
            return (wish, Change::default());
        };
        // after `cycle_id`, a `flush` does not reach the store
        let is_emptied = state.has_new_id && saved.is_empty() && !state.loaded.is_empty();
        if state.is_ended || is_emptied {
            // what the handler inserted begins another session, also if the values are the same
            let begin = |change: Change, (name, value): (&String, &Value)| change.with_field(name, &value.to_json());
            return (Wish::Destroy, saved.iter().fold(Change::default(), begin));
        }
        let wish = if state.has_new_id { Wish::Renew } else { Wish::Keep };
        (wish, exchange.change_to(&saved, state.loaded.len()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes what the last deletion was, by the id that the record has now. Returns whether the session was deleted.
    fn settle(&mut self, id: Option<Id>) -> bool {
        let is_deleted = match self.deleted {
            Some(deleted) => id.is_none_or(|id| id == deleted),
            None => return false,
        };
        if is_deleted {
            self.is_ended = true;
        } else {
            self.deleted = None;
            self.has_new_id = true;
        }
        is_deleted
    }
}

/// Returns an id that stays the same as long as the session does, and opens nothing.
fn id(exchange: &Exchange) -> Id {
    let handle = exchange.current().handle();
    handle.map_or_else(Id::default, |handle| Id(handle.number()))
}

#[async_trait]
impl SessionStore for OneRecord {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut state = self.lock();
        state.settle(Some(record.id));
        state.deleted = None;
        state.saved = Some(record.data.clone());
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let mut state = self.lock();
        // after a mere `delete`, the record still holds the fields of the session that ended
        if !state.settle(Some(record.id)) {
            state.saved = Some(record.data.clone());
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let state = self.lock();
        let data = state.saved.as_ref().unwrap_or(&state.loaded).clone();
        let expiry_date = OffsetDateTime::UNIX_EPOCH; // nobody reads it
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let mut state = self.lock();
        // it was deleted under the same id before
        state.settle(Some(*id));
        state.deleted = Some(*id);
        state.saved = None;
        Ok(())
    }
}
