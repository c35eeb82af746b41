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

use crate::http::{Change, Exchange, Failure, Wish};

type Values = HashMap<String, Value>;

/// The one record of a request's session.
#[derive(Default)]
pub(super) struct OneRecord(Mutex<State>);

#[derive(Default)]
struct State {
    loaded: Values,
    /// What the handler left, once it is saved.
    saved: Option<Values>,
    /// Whether the handler called `cycle_id`, `flush` or `delete`.
    is_deleted: bool,
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
            let value = serde_json::from_str(json).map_err(|error| exchange.unreadable(error))?;
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
        if session.is_modified() && !session.is_empty().await {
            // this store cannot fail
            let _ = session.save().await;
        }
        let State {
            loaded,
            saved,
            is_deleted,
        } = std::mem::take(&mut *self.lock());
        match saved {
            Some(saved) if is_deleted => {
                // `flush` leaves nothing of the session, and what was inserted after it is of another one
                let keeps = |(name, value): (&String, &Value)| saved.get(name) == Some(value);
                let is_renewed = loaded.is_empty() || loaded.iter().any(keeps);
                let wish = if is_renewed { Wish::Renew } else { Wish::Destroy };
                (wish, exchange.change_to(&saved, loaded.len()))
            }
            Some(saved) => (Wish::Keep, exchange.change_to(&saved, loaded.len())),
            None if is_deleted => (Wish::Destroy, Change::default()),
            None => (Wish::Keep, Change::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.lock().saved = Some(record.data.clone());
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

    async fn delete(&self, _: &Id) -> Result<()> {
        let mut state = self.lock();
        state.is_deleted = true;
        state.saved = None;
        Ok(())
    }
}
