//! Changes of one session.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use tokio::{sync::Mutex, time::sleep};

use crate::{
    cookies,
    fault::Fault,
    routes::Failure,
    scripts,
    store::{Change, Store, Target},
};

/// How long a fault waits between its read and its write, so that another request comes between.
const MOMENT: Duration = Duration::from_millis(2);

/// The faults of a change in a session that is there.
const FAULTS: [Fault; 9] = [
    Fault::ConcurrentUpdates,
    Fault::AcrossProcesses,
    Fault::ConcurrentCounts,
    Fault::RemovedField,
    Fault::ListItem,
    Fault::LogOutInFlight,
    Fault::LogOutAgainstAdds,
    Fault::RenewalInFlight,
    Fault::ResetChange,
];

/// Lets one change of this process be made at a time (fault `across-processes`).
static TURN: Mutex<()> = Mutex::const_new(());

/// Reads the session, waits, and changes it; begins one if there is none. A slow change is one that has a time to wait.
pub async fn carry_out(
    store: &Arc<Store>,
    headers: &HeaderMap,
    change: Change,
    wait: Option<Duration>,
) -> Result<Response, Failure> {
    let ids = cookies::ids(headers, store.fault);
    if store.fault == Some(Fault::SoakKeys) {
        store.leave_key().await?;
    }
    let Some(session) = store.read(&ids, &[]).await? else {
        sleep(wait.unwrap_or_default()).await;
        let mut id = cookies::new_id();
        if store.fault == Some(Fault::ForeignIds) {
            id = ids.into_iter().next().unwrap_or(id);
        }
        store.change(&id, Target::New, &change).await?;
        return Ok([(SET_COOKIE, cookies::set(&id))].into_response());
    };
    let done = match store.fault {
        Some(fault) if FAULTS.contains(&fault) => change_with_fault(store, &session.id, fault, change, wait).await?,
        _ => {
            sleep(wait.unwrap_or_default()).await;
            store.change(&session.id, Target::Live, &change).await?
        }
    };
    match done {
        true => Ok(().into_response()),
        false => Err(StatusCode::CONFLICT.into()),
    }
}

/// Does the same with a fault, and returns whether the session is still there.
async fn change_with_fault(
    store: &Arc<Store>,
    id: &str,
    fault: Fault,
    mut change: Change,
    wait: Option<Duration>,
) -> Result<bool, Failure> {
    let slow = wait.is_some();
    let _turn = if fault == Fault::AcrossProcesses {
        Some(TURN.lock().await)
    } else {
        None
    };
    let mut half_done = HalfDone {
        store: store.clone(),
        id: None,
    };
    let mut fields = store.all(id).await?;
    if fault == Fault::ResetChange {
        half_done.id = Some(id.to_owned());
        sleep(10 * MOMENT).await;
    }
    sleep(wait.unwrap_or_default()).await;

    let target = match fault {
        Fault::RenewalInFlight => Target::NotRenewed,
        _ => Target::Live,
    };
    let list_exists = fields.contains_key("items");
    change.apply(&mut fields);
    let done = match (fault, &change) {
        (Fault::ConcurrentUpdates, Change::Set(..)) | (Fault::AcrossProcesses, _) => {
            sleep(MOMENT).await;
            store.write_back(scripts::EMPTIED, id, &fields).await
        }
        (Fault::RemovedField, _) if slow => store.write_back(scripts::LIVE, id, &fields).await,
        (Fault::LogOutInFlight, _) if slow => store.write_back(scripts::LIVE_OR_ENDED, id, &fields).await,
        (Fault::LogOutAgainstAdds, Change::Add(_)) => {
            sleep(MOMENT).await;
            store.write_back(scripts::LIVE_OR_ENDED, id, &fields).await
        }
        (Fault::ListItem, Change::Add(_)) if list_exists => Ok(true),
        _ => {
            if fault == Fault::ConcurrentCounts && matches!(change, Change::Count) {
                change = Change::Set("n".to_owned(), fields.remove("n").unwrap_or_default());
            }
            sleep(MOMENT).await;
            store.change(id, target, &change).await
        }
    };
    half_done.id = None;
    Ok(done?)
}

impl Change {
    /// Makes the change to a copy of the session's fields.
    fn apply(&self, fields: &mut HashMap<String, String>) {
        match self {
            Self::Set(name, value) => _ = fields.insert(name.clone(), value.clone()),
            Self::Remove(name) => _ = fields.remove(name),
            Self::Add(item) => {
                let list = fields.remove("items").unwrap_or_else(|| "[]".to_owned());
                let begin = list.trim_end_matches(']');
                let comma = if begin == "[" { "" } else { "," };
                fields.insert("items".to_owned(), format!("{begin}{comma}{item}]"));
            }
            Self::Count => {
                let number: i64 = fields
                    .get("n")
                    .and_then(|number| number.parse().ok())
                    .unwrap_or_default();
                fields.insert("n".to_owned(), (number + 1).to_string());
            }
        }
    }
}

/// Loses the session if the request is dropped meanwhile (fault `reset-change`).
struct HalfDone {
    store: Arc<Store>,
    id: Option<String>,
}

impl Drop for HalfDone {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let store = self.store.clone();
            tokio::spawn(async move { store.end(&[id]).await });
        }
    }
}
