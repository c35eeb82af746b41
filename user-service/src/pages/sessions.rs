//! `/user/sessions`: lists the devices that the user is signed in on, and signs them out.

use std::time::SystemTime;

use actix_web::web::{Data, Form, Query};
use actix_web::{Either, Responder};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::site::navigation::DEVICES;
use service_kit::site::time::Timestamp;
use service_kit::site::{Layout, User, flash};
use service_kit::{Failure, audit};
use shared_session::{CurrentSession, Handle, Session, SessionInfo};

use super::confirm::{ConfirmPage, confirm};
use super::{PREFIX, PageResult, State, logout, page, redirect, redirect_to_login, registry_failure};
use crate::device::device_name;

const PAGE_SIZE: usize = 20;

/// The largest offset that is passed to the registry. No user has as many sessions.
const MAX_OFFSET: usize = 1_000_000;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    layout: Layout,
    devices: Vec<Device>,
    has_others: bool,
    /// The offset of the page with newer sessions.
    newer: Option<usize>,
    /// The offset of the page with older sessions.
    older: Option<usize>,
}

/// A session as the page shows it.
struct Device {
    handle: Handle,
    name: String,
    is_current: bool,
    created: Option<Timestamp>,
    last_used: Timestamp,
}

impl Device {
    fn new(info: SessionInfo, now: SystemTime) -> Self {
        Self {
            name: device_name(info.device.as_deref()),
            handle: info.handle,
            is_current: info.current,
            created: info.created.map(|created| Timestamp::past(created, now)),
            last_used: Timestamp::past(info.last_used, now),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SessionsQuery {
    /// The number of sessions to skip.
    from: usize,
}

pub(super) async fn show(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Query(query): Query<SessionsQuery>,
) -> impl Responder {
    match User::of(&session) {
        None => redirect_to_login(DEVICES),
        Some(user) => list(&state, &session, &current_session, &user, query.from.min(MAX_OFFSET)).await,
    }
}

async fn list(
    state: &State,
    session: &Session,
    current_session: &CurrentSession,
    user: &User,
    offset: usize,
) -> PageResult<SessionsPage> {
    let listed = state.registry.list(&user.id, current_session, offset, PAGE_SIZE);
    let listed = listed.await.map_err(registry_failure)?;
    let now = SystemTime::now();
    let devices = listed.sessions.into_iter().map(|info| Device::new(info, now));
    let devices: Vec<_> = devices.collect();
    page(SessionsPage {
        layout: Layout::new(session, PREFIX, DEVICES),
        has_others: offset > 0 || devices.iter().any(|device| !device.is_current),
        devices,
        newer: (offset > 0).then(|| offset.saturating_sub(PAGE_SIZE)),
        older: listed.next,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RevokeForm {
    handle: String,
    /// Empty unless the user was asked for it.
    password: SecretString,
}

pub(super) async fn revoke(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<RevokeForm>,
) -> PageResult<ConfirmPage> {
    let Some(user) = User::of(&session) else {
        return redirect_to_login(DEVICES);
    };
    let handle: Handle = form.handle.parse().map_err(|_| Failure::NotFound)?;
    if current_session.handle().is_some_and(|current| current == handle) {
        // the form is from a page that was loaded in another session, where this device was not the current one
        return Ok(Either::Left(logout::sign_out(&session)));
    }
    let asked = confirm(&state, &session, &current_session, &user, &form.handle, &form.password);
    if let Some(page) = asked.await? {
        return page;
    }
    let registry = state.registry.clone();
    let revoked = state.jobs.run_to_end(async move {
        let revoked = registry.revoke(&user.id, &handle).await?;
        if revoked {
            audit::event("session revoked").user(&*user.id).session(&handle).log();
        }
        Ok(revoked)
    });
    let message = if revoked.await?.map_err(registry_failure)? {
        "The device was signed out."
    } else {
        "The device was already signed out."
    };
    flash::put(&session, message)?;
    redirect(DEVICES)
}

pub(super) async fn revoke_others(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<RevokeForm>,
) -> PageResult<ConfirmPage> {
    let Some(user) = User::of(&session) else {
        return redirect_to_login(DEVICES);
    };
    let asked = confirm(&state, &session, &current_session, &user, "", &form.password);
    if let Some(page) = asked.await? {
        return page;
    }
    let count = state.revoke_others(user, current_session).await?;
    let count = count.map_err(registry_failure)?;
    flash::put(&session, &revoked_message(count))?;
    redirect(DEVICES)
}

/// Returns a message that says how many other devices were signed out.
pub(super) fn revoked_message(count: usize) -> String {
    match count {
        0 => "No other device was signed in.".to_owned(),
        1 => "One other device was signed out.".to_owned(),
        _ => format!("{count} other devices were signed out."),
    }
}
