//! What a service needs to share its sessions with services that still use the middleware of actix-session: the codec of
//! their records, and a middleware for their cookie. Copy this file into the service.
//!
//! `docs/migration.md` says how to use it, and what does not hold while both run.

use std::collections::BTreeMap;

use actix_web::Error;
use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use bytes::Bytes;
use serde_json::Number;
use serde_json::value::RawValue;
use shared_session::codec::{Codec, CodecError, Field, Fields};

/// The codec of actix-session's records. It reads both shapes and writes the first one, which all versions read:
///
/// - up to 0.11, a JSON object whose values are strings, and each string is JSON text;
/// - after 0.11, `{"v":1,"state":{…}}`, where the values are JSON themselves.
///
/// actix-session keeps the fields in a map, so their order has no meaning.
#[derive(Clone, Copy, Debug)]
pub struct ActixRecord;

/// The values of a JSON object, as JSON text.
type Object = BTreeMap<String, Box<RawValue>>;

/// Returns the fields of a record with a version, or `None` for one without.
fn versioned_state(record: &[u8]) -> Result<Option<BTreeMap<String, String>>, CodecError> {
    let record: Object = serde_json::from_slice(record).map_err(unreadable)?;
    let state = record
        .get("state")
        .and_then(|state| serde_json::from_str::<Object>(state.get()).ok());
    let version = record
        .get("v")
        .and_then(|version| serde_json::from_str::<Number>(version.get()).ok());
    let (Some(state), Some(version)) = (state, version) else {
        return Ok(None);
    };
    if version.as_u64() != Some(1) {
        return Err(CodecError::Unreadable(format!("its version is {version}")));
    }
    let json = |(name, value): (String, Box<RawValue>)| (name, value.get().to_owned());
    Ok(Some(state.into_iter().map(json).collect()))
}

/// Names no value: an error of serde may quote it.
fn unreadable(error: serde_json::Error) -> CodecError {
    CodecError::Unreadable(format!("not a map of strings, at column {}", error.column()))
}

impl Codec for ActixRecord {
    fn decode(&self, record: Bytes) -> Result<Fields, CodecError> {
        let state: BTreeMap<String, String> = match versioned_state(&record)? {
            Some(state) => state,
            None => serde_json::from_slice(&record).map_err(unreadable)?,
        };
        let field = |(name, value): (String, String)| Field {
            name: name.into(),
            value: value.into(),
            span: None,
        };
        Ok(Fields::decoded(record, state.into_iter().map(field).collect()))
    }

    fn encode(&self, fields: &Fields) -> Result<Bytes, CodecError> {
        if !fields.is_touched() && !fields.source().is_empty() {
            return Ok(fields.source().clone());
        }
        let entries = fields.entries().iter();
        let state: BTreeMap<&str, &str> = entries.map(|field| (&*field.name, &*field.value)).collect();
        let record = serde_json::to_vec(&state).map_err(|error| CodecError::Unreadable(error.to_string()))?;
        Ok(record.into())
    }
}

/// The session cookie of actix-session, whose value is encrypted or signed.
#[derive(Clone)]
pub struct ActixCookie {
    name: String,
    key: Key,
    signed: bool,
}

impl ActixCookie {
    /// Returns the cookie of `CookieContentSecurity::Private`, which is the default of actix-session.
    pub fn private(name: &str, key: Key) -> Self {
        let name = name.to_owned();
        Self {
            name,
            key,
            signed: false,
        }
    }

    /// Returns the cookie of `CookieContentSecurity::Signed`.
    pub fn signed(name: &str, key: Key) -> Self {
        let name = name.to_owned();
        Self {
            name,
            key,
            signed: true,
        }
    }

    /// Gives the plain id to the middleware below, and encrypts or signs the id that it issues.
    pub async fn translate<B>(self, mut request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error>
    where
        B: actix_web::body::MessageBody + 'static,
    {
        self.open_request(request.headers_mut());
        let mut response = next.call(request).await?;
        self.seal_response(response.headers_mut());
        Ok(response)
    }

    /// Replaces the value of the session cookie by the id, and drops a cookie that the key did not seal.
    fn open_request(&self, headers: &mut HeaderMap) {
        let name = format!("{}=", self.name);
        let received = headers
            .get_all(COOKIE)
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
        let opened = received
            .map(<[u8]>::trim_ascii)
            .filter_map(|cookie| match cookie.strip_prefix(name.as_bytes()) {
                Some(value) => self.open(value).map(|id| format!("{name}{id}").into_bytes()),
                None => Some(cookie.to_vec()),
            });
        let opened = opened.collect::<Vec<_>>().join(&b"; "[..]);
        headers.remove(COOKIE);
        if let Ok(value) = HeaderValue::from_bytes(&opened) {
            headers.insert(COOKIE, value);
        }
    }

    fn open(&self, value: &[u8]) -> Option<String> {
        let cookie = format!("{}={}", self.name, std::str::from_utf8(value).ok()?);
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(cookie).ok()?);
        let cookie = match self.signed {
            true => jar.signed(&self.key).get(&self.name),
            false => jar.private(&self.key).get(&self.name),
        };
        Some(cookie?.value().to_owned())
    }

    fn seal_response(&self, headers: &mut HeaderMap) {
        let sealed = headers
            .get_all(SET_COOKIE)
            .map(|header| self.seal(header).unwrap_or_else(|| header.clone()));
        let sealed: Vec<HeaderValue> = sealed.collect();
        headers.remove(SET_COOKIE);
        for header in sealed {
            headers.append(SET_COOKIE, header);
        }
    }

    /// Returns the session cookie with its value sealed, or `None` for another cookie and for the removal.
    fn seal(&self, header: &HeaderValue) -> Option<HeaderValue> {
        let cookie = Cookie::parse(header.to_str().ok()?.to_owned()).ok()?;
        if cookie.name() != self.name || cookie.value().is_empty() {
            return None;
        }
        let mut jar = CookieJar::new();
        match self.signed {
            true => jar.signed_mut(&self.key).add(cookie),
            false => jar.private_mut(&self.key).add(cookie),
        }
        let sealed = jar.delta().next()?.encoded().to_string();
        HeaderValue::from_str(&sealed).ok()
    }
}
