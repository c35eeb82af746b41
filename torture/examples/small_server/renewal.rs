//! Renewal and sign-in.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
};

use crate::{
    changes::carry_out,
    cookies,
    fault::Fault,
    routes::Failure,
    store::{Change, Store},
};

/// Gives the session a new id, or begins one; and signs a user in unless `user` is empty.
pub async fn give_new_id(store: &Arc<Store>, headers: &HeaderMap, user: &str) -> Result<Response, Failure> {
    let mut ids = cookies::ids(headers, store.fault);
    let mut stay_valid = Vec::new();
    let sign_in = !user.is_empty();
    match store.fault {
        Some(Fault::Fixation) if sign_in => {
            let change = Change::Set("user".to_owned(), user.to_owned());
            return carry_out(store, headers, change, None).await;
        }
        Some(Fault::DoubleSignIn) if sign_in => {
            for id in &ids {
                if store.was_renewed(id).await? {
                    return Err(StatusCode::CONFLICT.into());
                }
            }
        }
        // nothing is taken over
        Some(Fault::ResetSignIn) if sign_in => ids = live(store, &ids).await?,
        Some(Fault::OldIdAfterRenewal) => stay_valid = live(store, &ids).await?,
        _ => {}
    }
    let id = cookies::new_id();
    store.renew(&ids, &id, user).await?;
    if store.fault == Some(Fault::ResetRenewal) && !sign_in && !ids.is_empty() {
        store.forget_renewal(&ids).await?;
    }
    for old in stay_valid {
        store.copy(&id, &old).await?;
    }
    Ok([(SET_COOKIE, cookies::set(&id))].into_response())
}

/// Returns the id whose session is live, if there is one.
async fn live(store: &Store, ids: &[String]) -> Result<Vec<String>, Failure> {
    Ok(store
        .read(ids, &[])
        .await?
        .map(|session| session.id)
        .into_iter()
        .collect())
}
