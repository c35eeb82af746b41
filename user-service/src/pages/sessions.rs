//! `/user/sessions`: the devices that the visitor is signed in on, and signing them out.

use std::time::SystemTime;

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpResponse, Responder, ResponseError};
use askama::Template;
use serde::Deserialize;
use service_kit::visitor::Visitor;
use service_kit::{Failure, Frame, flash, page};
use shared_session::{CurrentSession, Error, Handle, Session, SessionInfo};

use super::{Answer, PREFIX, Parts, SESSIONS, led_to_login, logout, shown};
use crate::ago::ago;
use crate::device;

const PAGE: usize = 20;

/// More than anybody has; what lies behind it is not asked for.
const LAST: usize = 1_000_000;

#[derive(Template)]
#[template(path = "sessions.html")]
struct Sessions {
    frame: Frame,
    devices: Vec<Device>,
    /// Whether there are other devices than this one.
    others: bool,
    /// Where the page before this one begins, and the one behind it.
    newer: Option<usize>,
    older: Option<usize>,
}

/// A session, as it is shown.
struct Device {
    handle: Handle,
    label: String,
    current: bool,
    begun: Option<Moment>,
    last_used: Moment,
}

/// A time, for programs and for people.
struct Moment {
    datetime: String,
    words: String,
}

impl Moment {
    fn new(then: SystemTime, now: SystemTime) -> Self {
        Self {
            datetime: humantime::format_rfc3339_seconds(then).to_string(),
            words: ago(then, now),
        }
    }
}

impl Device {
    fn new(info: SessionInfo, now: SystemTime) -> Self {
        Self {
            label: device::label(info.device.as_deref()),
            handle: info.handle,
            current: info.current,
            begun: info.created.map(|begun| Moment::new(begun, now)),
            last_used: Moment::new(info.last_used, now),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Which device the page begins with, counted from 0.
    from: usize,
}

pub(super) async fn show(
    parts: Data<Parts>,
    session: Session,
    here: CurrentSession,
    Query(asked): Query<Asked>,
) -> impl Responder {
    match Visitor::of(&session) {
        None => led_to_login(SESSIONS),
        Some(visitor) => list(&parts, &session, &here, &visitor, asked.from.min(LAST)).await,
    }
}

async fn list(
    parts: &Parts,
    session: &Session,
    here: &CurrentSession,
    visitor: &Visitor,
    from: usize,
) -> Answer<Sessions> {
    let found = parts.registry.list(&visitor.id, here, from, PAGE).await;
    let found = found.map_err(failed)?;
    let now = SystemTime::now();
    let devices = found.sessions.into_iter().map(|info| Device::new(info, now));
    let devices: Vec<_> = devices.collect();
    shown(Sessions {
        frame: Frame::of(session, PREFIX, SESSIONS),
        others: from > 0 || devices.iter().any(|device| !device.current),
        devices,
        newer: (from > 0).then(|| from.saturating_sub(PAGE)),
        older: found.next,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Chosen {
    handle: String,
}

pub(super) async fn revoke(
    parts: Data<Parts>,
    session: Session,
    here: CurrentSession,
    Form(chosen): Form<Chosen>,
) -> Result<HttpResponse, Failure> {
    let Some(visitor) = Visitor::of(&session) else {
        return Ok(page::see_other(&super::login_then(SESSIONS)));
    };
    let handle: Handle = chosen.handle.parse().map_err(|_| Failure::NotFound)?;
    if here.handle().is_some_and(|own| own == handle) {
        // a page from before, which showed it as another device's
        return Ok(logout::sign_out(&session));
    }
    let ended = parts.registry.revoke(&visitor.id, &handle).await.map_err(failed)?;
    let message = if ended {
        "The device is signed out."
    } else {
        "The device was signed out already."
    };
    flash::put(&session, message)?;
    Ok(page::see_other(SESSIONS))
}

pub(super) async fn revoke_others(
    parts: Data<Parts>,
    session: Session,
    here: CurrentSession,
) -> Result<HttpResponse, Failure> {
    let Some(visitor) = Visitor::of(&session) else {
        return Ok(page::see_other(&super::login_then(SESSIONS)));
    };
    let count = parts.registry.revoke_others(&visitor.id, &here).await.map_err(failed)?;
    flash::put(&session, &ended(count))?;
    Ok(page::see_other(SESSIONS))
}

/// Says how many other devices were signed out.
pub(super) fn ended(count: usize) -> String {
    match count {
        0 => "No other device was signed in.".to_owned(),
        1 => "The other device is signed out.".to_owned(),
        _ => format!("{count} other devices are signed out."),
    }
}

/// What a failure of the registry is to whoever asked.
fn failed(error: Error) -> Failure {
    if error.status_code().as_u16() == 503 {
        Failure::Unavailable(error.to_string())
    } else {
        Failure::Broken(error.to_string())
    }
}
