//! `/user/sessions`: lists the devices that the user is signed in on, and signs them out.

use std::time::SystemTime;

use actix_web::http::header::USER_AGENT;
use actix_web::web::{Data, Form, Query};
use actix_web::{Either, HttpRequest};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::site::navigation::{DEVICES, Link};
use service_kit::site::time::Timestamp;
use service_kit::site::{Done, Layout, User, flash};
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
    /// This device first.
    devices: Vec<Device>,
    /// The button that signs out the others, if there are any.
    others: Option<String>,
    /// The offset of the page with newer sessions.
    newer: Option<usize>,
    /// The offset of the page with older sessions.
    older: Option<usize>,
}

/// A session as the page shows it.
struct Device {
    handle: Handle,
    /// The start of the handle, which tells two devices of one name apart.
    mark: String,
    name: String,
    is_current: bool,
    /// Whether the user stays signed in.
    is_remembered: bool,
    created: Option<Timestamp>,
    last_used: Timestamp,
}

impl Device {
    fn other(info: SessionInfo, now: SystemTime) -> Self {
        Self {
            name: device_name(info.device.as_deref()),
            mark: mark(&info.handle),
            handle: info.handle,
            is_current: false,
            is_remembered: info.remembered,
            created: info.created.map(|created| Timestamp::past(created, now)),
            last_used: Timestamp::past(info.last_used, now),
        }
    }

    /// Returns the device of the request, which may be on any page of the list.
    fn current(request: &HttpRequest, session: &CurrentSession, now: SystemTime) -> Option<Self> {
        let user_agent = request.headers().get(USER_AGENT);
        let user_agent = user_agent.map(|text| String::from_utf8_lossy(text.as_bytes()));
        let handle = session.handle()?;
        Some(Self {
            name: device_name(user_agent.as_deref()),
            mark: mark(&handle),
            handle,
            is_current: true,
            is_remembered: session.remembered(),
            created: session.created().map(|created| Timestamp::past(created, now)),
            last_used: Timestamp::past(now, now),
        })
    }
}

fn mark(handle: &Handle) -> String {
    let text = handle.to_string();
    text.chars().filter(char::is_ascii_alphanumeric).take(6).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SessionsQuery {
    /// The number of sessions to skip.
    from: usize,
}

pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Query(query): Query<SessionsQuery>,
) -> PageResult<impl Template> {
    let Some(user) = User::of(&session) else {
        return redirect_to_login(DEVICES);
    };
    let offset = query.from.min(MAX_OFFSET);
    let listed = state.registry.list(&user.account, &current_session, offset, PAGE_SIZE);
    let listed = listed.await.map_err(registry_failure)?;
    let now = SystemTime::now();
    let others = listed.sessions.into_iter().filter(|info| !info.current);
    let others: Vec<_> = others.map(|info| Device::other(info, now)).collect();
    let first = (offset == 0).then(|| Device::current(&request, &current_session, now));
    page(SessionsPage {
        layout: Layout::new(&session, PREFIX, DEVICES),
        others: match others.len() {
            _ if offset > 0 || listed.next.is_some() => Some("Sign out all other devices".to_owned()),
            0 => None,
            1 => Some("Sign out the other device".to_owned()),
            count => Some(format!("Sign out {count} other devices")),
        },
        devices: first.flatten().into_iter().chain(others).collect(),
        newer: (offset > 0).then(|| offset.saturating_sub(PAGE_SIZE)),
        older: listed.next,
    })
}

/// Notes that devices were signed out. The message about it is stored in the session, which may fail.
fn note_done(request: &HttpRequest, title: &'static str) {
    let done = Done {
        title,
        message: "Only your session could not be stored at the moment.",
        link: Link {
            path: DEVICES.into(),
            text: "Your devices",
        },
    };
    done.note(request);
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
    request: HttpRequest,
    session: Session,
    current_session: CurrentSession,
    Form(form): Form<RevokeForm>,
) -> PageResult<ConfirmPage> {
    let Some(user) = User::of(&session) else {
        return redirect_to_login(DEVICES);
    };
    // an invalid or unknown handle may be an attempt on another user's session
    let refused = |user: &User| {
        audit::event("revocation of an unknown session refused")
            .user(&*user.id)
            .log()
    };
    let Ok(handle) = form.handle.parse::<Handle>() else {
        refused(&user);
        return Err(Failure::NotFound);
    };
    if current_session.handle().is_some_and(|current| current == handle) {
        // the form is from a page that was loaded in another session, where this device was not the current one
        return Ok(Either::Left(logout::sign_out(&session, &current_session)));
    }
    let asked = confirm(&state, &session, &current_session, &user, &form.handle, &form.password);
    if let Some(page) = asked.await? {
        return page;
    }
    let registry = state.registry.clone();
    let revoked = state.jobs.run_to_end(async move {
        let revoked = registry.revoke(&user.account, &handle).await?;
        if revoked {
            audit::event("session revoked").user(&*user.id).session(&handle).log();
        } else {
            refused(&user);
        }
        Ok(revoked)
    });
    let message = if revoked.await?.map_err(registry_failure)? {
        "The device was signed out."
    } else {
        "The device was already signed out."
    };
    note_done(&request, "The device was signed out");
    flash::put(&session, message)?;
    redirect(DEVICES)
}

pub(super) async fn revoke_others(
    state: Data<State>,
    request: HttpRequest,
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
    note_done(&request, "Your other devices were signed out");
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
