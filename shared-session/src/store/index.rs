//! The index of a user's sessions: which members it has, and which records are in it.
//!
//! The index of a user is a sorted set of members. A member is a record's key without the prefix. It expires when the
//! session's lifetime ends, so a load writes no index. A member that was added with a later expiry keeps it. A sign-in adds
//! the member before the record names the user, and a new id is given out last. A reader drops a member that has no record.
//! So the index of a user holds all usable sessions of the user.

use std::borrow::Cow;
use std::time::Duration;

use bytestring::ByteString;

use super::{LoadedSession, Store};
use crate::session::change::Change;
use crate::session::digest::digest;
use crate::session::principal::{PrincipalDigest, user_id};
use crate::session::storage_key::StorageKey;

/// How many bytes of the SHA-256 an index fingerprint has.
const FINGERPRINT_LENGTH: usize = 9;

/// A member of a user's index.
#[derive(Clone, Debug)]
pub(super) struct IndexEntry {
    pub(super) index: StorageKey,
    pub(super) member: String,
    /// How long the session may still last.
    pub(super) left: Duration,
}

/// Returns what a record holds once its member is in the user's index until `expires`, so that a commit need not ask the
/// index. It depends on the member, because PHP's `session_regenerate_id` copies whole records.
fn index_fingerprint(user: &str, member: &str, expires: Duration) -> ByteString {
    let parts = [user, "\n", member, "\n", &expires.as_secs().to_string()];
    digest(&parts, FINGERPRINT_LENGTH).into()
}

impl Store {
    /// Returns whether a change sets the principal field to a value that is neither a user, nor `null`, nor empty.
    pub(crate) fn sets_invalid_user(&self, change: &Change) -> bool {
        let value = change.value(self.principal_field());
        value.is_some_and(|value| user_id(value).is_none() && !matches!(value, "null" | "\"\""))
    }

    /// Updates the session's metadata: its creation time if another program began it, and what belongs to its present user.
    /// Returns the entry that the user's index may lack. Does not yet encode the metadata.
    pub(super) fn update_metadata(&self, session: &mut LoadedSession, device: Option<&str>) -> Option<IndexEntry> {
        let now = self.now();
        let created = *session
            .metadata
            .created
            .get_or_insert(Duration::from_secs(now.as_secs()));
        let start = session.metadata.lifetime_start().unwrap_or(created);
        session.metadata.forget_superseded(now);
        let Some(user) = self.user(session) else {
            session.metadata.index_fingerprint = None;
            session.metadata.device = None;
            return None;
        };
        let lifetime = self.lifetime(session.is_remembered());
        let (member, expires) = (self.member(&session.key), start.saturating_add(lifetime));
        let fingerprint = index_fingerprint(&user, member, expires);
        if session.metadata.index_fingerprint.as_ref() == Some(&fingerprint) {
            return None;
        }
        // in whole seconds, as the start is: so sessions that begin in the same second keep their order. A start in the future was
        // written by a clock that is ahead of this one
        let age = Duration::from_secs(now.as_secs().saturating_sub(start.as_secs()));
        let entry = IndexEntry {
            index: self.index_key(&PrincipalDigest::of_user(&user)),
            member: member.to_owned(),
            left: lifetime.saturating_sub(age),
        };
        session.metadata.index_fingerprint = Some(fingerprint);
        session.metadata.device = device.map(ByteString::from).or(session.metadata.device.take());
        Some(entry)
    }

    /// Returns whether a change signs in another user than the session has.
    pub(crate) fn changes_user(&self, session: &LoadedSession, change: &Change) -> bool {
        let user = change.value(self.principal_field()).and_then(user_id);
        user.is_some() && user != self.user(session)
    }

    /// Returns whether a change signs a user in: it sets the principal field to a user, even to the same one again.
    pub(super) fn signs_in(&self, change: &Change) -> bool {
        let value = change.value(self.principal_field());
        value.is_some_and(|value| user_id(value).is_some())
    }

    /// Returns the user that a change signs in, if it does.
    pub(super) fn principal_of(&self, change: &Change) -> Option<PrincipalDigest> {
        let user = change.value(self.principal_field()).and_then(user_id)?;
        Some(PrincipalDigest::of_user(&user))
    }

    /// Returns the id of the user that the principal field names.
    pub(crate) fn user<'a>(&self, session: &'a LoadedSession) -> Option<Cow<'a, str>> {
        session.fields.get(self.principal_field()).and_then(user_id)
    }

    /// Returns the user that the principal field names.
    pub(super) fn principal(&self, session: &LoadedSession) -> Option<PrincipalDigest> {
        self.user(session).map(|user| PrincipalDigest::of_user(&user))
    }

    /// Returns the key of a user's index.
    pub(super) fn index_key(&self, user: &PrincipalDigest) -> StorageKey {
        StorageKey::of_index(&self.rules().key_prefix, user.as_str())
    }

    /// Returns the member that stands for a record in an index.
    pub(super) fn member<'a>(&self, key: &'a StorageKey) -> &'a str {
        let key = key.as_str();
        key.strip_prefix(&self.rules().key_prefix).unwrap_or(key)
    }

    /// Returns the key of the record that a member stands for.
    pub(super) fn key_of_member(&self, member: &str) -> StorageKey {
        self.rules()
            .format
            .ids()
            .key_of_member(&self.rules().key_prefix, member)
    }
}
