//! The session metadata: what the store keeps about a session beside its fields, in the field [`RESERVED`].
//!
//! `docs/wire-format.md` describes it for other programs.

mod reader;

use std::time::Duration;

use bytestring::ByteString;
use serde::Serialize;

use super::fields::{Fields, RESERVED};
use super::verifier::VerifierDigest;

/// What the store keeps about a session. Another program may begin a session without any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// When the session was created, since the epoch, in whole seconds.
    pub created: Option<Duration>,
    /// When a user signed in last, since the epoch, in whole seconds. `None` if that was when the session was created.
    pub signed_in: Option<Duration>,
    /// The digest that an id must match, in the formats whose ids have a verifier.
    pub verifier: Option<VerifierDigest>,
    /// The digests that renewals replaced a short time ago, the latest first.
    pub superseded: Vec<Superseded>,
    /// The fingerprint of the index entry that was made for this record.
    pub index_fingerprint: Option<ByteString>,
    /// The device that the user signed in from.
    pub device: Option<ByteString>,
    /// Whether the user stays signed in: the session lasts longer than an ordinary one.
    pub is_remembered: bool,
    /// The names and values of members that a newer program wrote.
    pub unknown: Vec<(ByteString, ByteString)>,
}

/// A digest that opens nothing any more, and when it was replaced, in seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superseded(VerifierDigest, u64);

/// The metadata as JSON. Times are seconds since the epoch.
#[derive(Serialize)]
struct Stored<'a> {
    created: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    superseded: Vec<(&'a str, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    indexed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    remembered: bool,
}

/// The version of the metadata that this program reads and writes. A record that names none has it.
const VERSION: u64 = 1;

/// How long the store remembers a superseded verifier: longer than a request takes.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

impl Metadata {
    /// Returns the metadata of a record.
    ///
    /// # Errors
    ///
    /// Returns a reason if the field holds something else, or metadata of another version.
    pub fn decode(fields: &Fields) -> Result<Self, String> {
        let Some(text) = fields.get_shared(RESERVED) else {
            return Ok(Self::default());
        };
        // the error of serde may quote a value
        reader::read(text).map_err(|_| format!("the field {RESERVED} holds no session metadata of version {VERSION}"))
    }

    /// Returns the metadata as JSON text. A missing creation time is the epoch.
    pub fn encode(&self) -> String {
        let superseded = self.superseded.iter();
        let signed_in = self.signed_in.filter(|signed_in| Some(*signed_in) != self.created);
        let stored = Stored {
            created: self.created.unwrap_or_default().as_secs(),
            signed_in: signed_in.map(|signed_in| signed_in.as_secs()),
            verifier: self.verifier.as_ref().map(VerifierDigest::as_str),
            superseded: superseded.map(|old| (old.0.as_str(), old.1)).collect(),
            indexed: self.index_fingerprint.as_deref(),
            device: self.device.as_deref(),
            remembered: self.is_remembered,
        };
        // numbers and strings always serialize
        let mut text = serde_json::to_string(&stored).unwrap_or_default();
        if !self.unknown.is_empty() {
            text.pop();
            for (name, value) in &self.unknown {
                text.extend([",\"", name, "\":", value]);
            }
            text.push('}');
        }
        text
    }

    /// Returns when the session's lifetime began, since the epoch, if the record says so.
    pub fn lifetime_start(&self) -> Option<Duration> {
        self.signed_in.or(self.created)
    }

    /// Restarts the session's lifetime, because a user signs in at `now`.
    pub fn sign_in(&mut self, now: Duration) {
        let now = Duration::from_secs(now.as_secs());
        let created = *self.created.get_or_insert(now);
        self.signed_in = (now != created).then_some(now);
    }

    /// Replaces the verifier, and remembers the one that was replaced at `now`.
    pub fn renew(&mut self, verifier: VerifierDigest, now: Duration) {
        if let Some(old) = self.verifier.replace(verifier) {
            self.supersede(old, now);
        }
    }

    /// Remembers `verifier` as one that was replaced at `now`.
    pub fn supersede(&mut self, verifier: VerifierDigest, now: Duration) {
        self.superseded.retain(|superseded| superseded.0 != verifier);
        // rounded up, so that the grace time is never shorter than promised
        let seconds = now.as_secs() + u64::from(now.subsec_nanos() > 0);
        self.superseded.insert(0, Superseded(verifier, seconds));
    }

    /// Makes a superseded verifier the current one again.
    pub fn restore(&mut self, verifier: VerifierDigest) {
        self.superseded.retain(|superseded| superseded.0 != verifier);
        self.verifier = Some(verifier);
    }

    /// Forgets the superseded verifiers whose time is over.
    pub fn forget_superseded(&mut self, now: Duration) {
        self.superseded.retain(|superseded| superseded.is_recent(now));
    }

    /// Returns whether a renewal replaced `verifier` a short time before `now`.
    pub fn was_superseded(&self, verifier: &VerifierDigest, now: Duration) -> bool {
        let mut superseded = self.superseded.iter();
        superseded.any(|superseded| superseded.0 == *verifier && superseded.is_recent(now))
    }
}

impl Superseded {
    fn is_recent(&self, now: Duration) -> bool {
        now < Duration::from_secs(self.1) + GRACE
    }
}
