//! The session metadata: what the store keeps about a session beside its fields, in the field [`RESERVED`].
//!
//! `docs/wire-format.md` describes it for other programs.

use std::time::Duration;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

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
}

/// A digest that opens nothing any more, and when it was replaced, in seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superseded(VerifierDigest, u64);

/// The metadata as JSON. Times are seconds since the epoch.
#[derive(Serialize, Deserialize)]
struct Stored<Text> {
    created: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier: Option<Text>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    superseded: Vec<(Text, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    indexed: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Text>,
}

/// How long the store remembers a superseded verifier: longer than a request takes.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

impl Metadata {
    /// Returns the metadata of a record.
    ///
    /// # Errors
    ///
    /// Returns a reason if another program keeps something of its own in the field.
    pub fn decode(fields: &Fields) -> Result<Self, String> {
        let Some(text) = fields.get_shared(RESERVED) else {
            return Ok(Self::default());
        };
        Self::parse(text).ok_or_else(|| format!("the field {RESERVED} holds something else than session metadata"))
    }

    fn parse(text: &ByteString) -> Option<Self> {
        // serde would read an array as the members in their order
        if !text.starts_with('{') {
            return None;
        }
        // most texts have no escape sequence, and can share the memory of the record
        if let Ok(stored) = serde_json::from_str::<Stored<&str>>(text) {
            return Some(Self::new(stored, |part| text.slice_ref(part)));
        }
        let stored = serde_json::from_str::<Stored<String>>(text).ok()?;
        Some(Self::new(stored, ByteString::from))
    }

    fn new<Text>(stored: Stored<Text>, share: impl Fn(Text) -> ByteString) -> Self {
        let digest = |text| VerifierDigest::of_record(share(text));
        let superseded = stored.superseded.into_iter();
        Self {
            created: Some(Duration::from_secs(stored.created)),
            signed_in: stored.signed_in.map(Duration::from_secs),
            verifier: stored.verifier.map(digest),
            superseded: superseded.map(|(text, time)| Superseded(digest(text), time)).collect(),
            index_fingerprint: stored.indexed.map(&share),
            device: stored.device.map(&share),
        }
    }

    /// Returns the metadata as JSON text. A missing creation time is the epoch.
    pub fn encode(&self) -> String {
        let superseded = self.superseded.iter();
        let stored = Stored {
            created: self.created.unwrap_or_default().as_secs(),
            signed_in: self.signed_in.map(|signed_in| signed_in.as_secs()),
            verifier: self.verifier.as_ref().map(VerifierDigest::as_str),
            superseded: superseded.map(|old| (old.0.as_str(), old.1)).collect(),
            indexed: self.index_fingerprint.as_deref(),
            device: self.device.as_deref(),
        };
        // numbers and strings always serialize
        serde_json::to_string(&stored).unwrap_or_default()
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

    /// Forgets the superseded verifiers whose time is over. Returns whether there were any.
    pub fn forget_superseded(&mut self, now: Duration) -> bool {
        let before = self.superseded.len();
        self.superseded.retain(|superseded| superseded.is_recent(now));
        self.superseded.len() != before
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
