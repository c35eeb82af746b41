//! `/user/sessions`: lists the devices that the user is signed in on, and signs them out.

use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpResponse, Responder, ResponseError};
use askama::Template;
use serde::Deserialize;
use service_kit::site::navigation::DEVICES;
use service_kit::site::{Layout, User, flash, see_other};
use service_kit::{Failure, audit};
use shared_session::{CurrentSession, Error, Handle, Session, SessionInfo};

use super::{PREFIX, PageResult, State, login_address, logout, page, redirect_to_login};
use crate::device::device_name;
use crate::relative_time::relative_time;

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

/// A time for programs and for users.
struct Timestamp {
    datetime: String,
    relative: String,
}

impl Timestamp {
    fn new(time: SystemTime, now: SystemTime) -> Self {
        Self {
            datetime: humantime::format_rfc3339_seconds(time).to_string(),
            relative: relative_time(time, now),
        }
    }
}

impl Device {
    fn new(info: SessionInfo, now: SystemTime) -> Self {
        Self {
            name: device_name(info.device.as_deref()),
            handle: info.handle,
            is_current: info.current,
            created: info.created.map(|created| Timestamp::new(created, now)),
            last_used: Timestamp::new(info.last_used, now),
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
}

pub(super) async fn revoke(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<RevokeForm>,
) -> Result<HttpResponse, Failure> {
    let Some(user) = User::of(&session) else {
        return Ok(see_other(&login_address(DEVICES)));
    };
    let handle: Handle = form.handle.parse().map_err(|_| Failure::NotFound)?;
    if current_session.handle().is_some_and(|current| current == handle) {
        // the form is from a page that was loaded in another session, where this device was not the current one
        return Ok(logout::sign_out(&session));
    }
    let revoked = state.registry.revoke(&user.id, &handle).await;
    let message = if revoked.map_err(registry_failure)? {
        audit::event("session revoked").user(&*user.id).session(&handle).log();
        "The device was signed out."
    } else {
        "The device was already signed out."
    };
    flash::put(&session, message)?;
    Ok(see_other(DEVICES))
}

pub(super) async fn revoke_others(
    state: Data<State>,
    session: Session,
    current_session: CurrentSession,
) -> Result<HttpResponse, Failure> {
    let Some(user) = User::of(&session) else {
        return Ok(see_other(&login_address(DEVICES)));
    };
    let count = state.registry.revoke_others(&user.id, &current_session).await;
    let count = count.map_err(registry_failure)?;
    audit::event("other sessions revoked").user(&*user.id).log();
    flash::put(&session, &revoked_message(count))?;
    Ok(see_other(DEVICES))
}

/// Returns a message that says how many other devices were signed out.
pub(super) fn revoked_message(count: usize) -> String {
    match count {
        0 => "No other device was signed in.".to_owned(),
        1 => "One other device was signed out.".to_owned(),
        _ => format!("{count} other devices were signed out."),
    }
}

fn registry_failure(error: Error) -> Failure {
    if error.status_code() == StatusCode::SERVICE_UNAVAILABLE {
        Failure::Unavailable(error.to_string())
    } else {
        Failure::Internal(error.to_string())
    }
}
