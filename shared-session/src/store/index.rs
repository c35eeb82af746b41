//! Whose sessions there are: a person, their index, and which records it knows.
//!
//! The index of a person is a sorted set of members. A member is a record's key without the prefix, and ends when the
//! session's lifetime does, so a load writes no index. Whoever makes a record a person's own adds it first and gives
//! the id out last; a member without a record is dropped by whoever reads it. So no session is usable that its index
//! does not know.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{LoadedSession, Store};
use crate::error::Error;
use crate::session::fields::{Fields, RESERVED};
use crate::session::metadata::Listing;
use crate::session::storage_key::StorageKey;
use crate::store::circuit_breaker::Budget;

/// A person, by the SHA-256 of what the principal field holds: the text itself goes into neither key nor log.
#[derive(PartialEq, Eq)]
pub(crate) struct Person(String);

impl Person {
    /// The person whom an application calls so.
    pub fn named(text: &str) -> Self {
        let digest = Sha256::digest(text);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whom the principal field names: the text of a string, a number as JSON writes it. An empty string and everything
    /// else is nobody.
    pub fn of(fields: &Fields, principal: &str) -> Option<Self> {
        let value = fields.get(principal)?;
        match value.as_bytes().first()? {
            b'"' => {
                let text: String = serde_json::from_str(value).ok()?;
                (!text.is_empty()).then(|| Self::named(&text))
            }
            // not as a number, which would make one person of two that differ after many digits
            b'-' | b'0'..=b'9' => Some(Self::named(value)),
            _ => None,
        }
    }
}

/// What an index holds of a record, or is to hold.
#[derive(Debug)]
pub(super) struct Entry {
    index: StorageKey,
    member: String,
    expires: Duration,
}

impl Entry {
    /// What a record holds once its index holds this entry, so that a commit sees without asking whether it does. It is
    /// of no use to a record under another key: PHP's `session_regenerate_id` copies records with all that they hold.
    fn mark(&self) -> String {
        let (index, member, end) = (self.index.as_str(), &self.member, self.expires.as_millis());
        let digest = Sha256::digest(format!("{index}\n{member}\n{end}"));
        URL_SAFE_NO_PAD.encode(&digest[..16])
    }
}

impl Store {
    /// Brings the record's metadata in line with whom its principal field names now: with its creation, where another
    /// program began it, and as somebody's with handle and device. Returns what the index must be told before the
    /// record may be used.
    pub(super) fn mark(
        &self,
        session: &mut LoadedSession,
        renewed_as: Option<&StorageKey>,
        device: Option<&str>,
    ) -> Option<Entry> {
        let handle = renewed_as.map(|_| session.handle());
        let LoadedSession { key, fields, metadata } = session;
        let unlisted = match Person::of(fields, &self.rules.principal_field) {
            None if metadata.listing == Listing::default() && fields.get(RESERVED).is_some() => return None,
            None => {
                metadata.listing = Listing::default();
                None
            }
            Some(person) => {
                let created = *metadata.created.get_or_insert(self.clock.now());
                let entry = self.entry(&person, renewed_as.unwrap_or(key), created);
                let (mark, listing) = (entry.mark(), &mut metadata.listing);
                if listing.mark.as_ref() == Some(&mark) {
                    return None;
                }
                listing.mark = Some(mark);
                listing.handle = handle.or(listing.handle.take());
                listing.device = device.map(str::to_owned).or(listing.device.take());
                Some(entry)
            }
        };
        metadata.created.get_or_insert(self.clock.now());
        fields.set(RESERVED, &metadata.text());
        unlisted
    }

    /// Takes a handle away that was made for a record under another key: PHP's `session_regenerate_id` copies records
    /// with all that they hold, and the two sessions are not to share a handle.
    pub(super) fn check_handle(&self, session: &mut LoadedSession) {
        if session.metadata.listing.handle.is_none() {
            return;
        }
        let entry = self.person(session).zip(session.metadata.created);
        let mark = entry.map(|(person, created)| self.entry(&person, &session.key, created).mark());
        if mark != session.metadata.listing.mark {
            session.metadata.listing.handle = None;
        }
    }

    /// Tells the index of a record.
    pub(super) async fn list(&self, entry: &Entry, budget: &mut Budget) -> Result<(), Error> {
        self.index_add(&entry.index, &entry.member, entry.expires, budget).await
    }

    /// Takes a record that is gone out of the index of whom it belonged to. Nothing depends on it: a member without a
    /// record is dropped when it is read.
    pub(super) async fn unlist(&self, key: &StorageKey, person: Option<&Person>, budget: &mut Budget) {
        if let Some(person) = person {
            let _ = self.drop_member(person, self.member(key), budget).await;
        }
    }

    /// Takes an entry out whose record is gone, as well as may be.
    pub(super) async fn unlist_entry(&self, entry: &Entry, budget: &mut Budget) {
        let _ = self.index_remove(&entry.index, &entry.member, budget).await;
    }

    /// Whose session it is.
    pub(super) fn person(&self, session: &LoadedSession) -> Option<Person> {
        Person::of(&session.fields, &self.rules.principal_field)
    }

    /// The members of a person's index, newest session first.
    pub(crate) async fn members(
        &self,
        person: &Person,
        offset: usize,
        limit: usize,
        budget: &mut Budget,
    ) -> Result<Vec<String>, Error> {
        self.index_members(&self.index(person), offset, limit, budget).await
    }

    /// Drops a member whose record is gone. It must be: nobody adds it again.
    pub(crate) async fn drop_member(&self, person: &Person, member: &str, budget: &mut Budget) -> Result<(), Error> {
        self.index_remove(&self.index(person), member, budget).await
    }

    fn entry(&self, person: &Person, key: &StorageKey, created: Duration) -> Entry {
        Entry {
            index: self.index(person),
            member: self.member(key).to_owned(),
            // as it is stored, in seconds: everybody is to come to the same end
            expires: Duration::from_secs(created.as_secs()).saturating_add(self.rules.lifetime),
        }
    }

    fn index(&self, person: &Person) -> StorageKey {
        StorageKey::of_index(&self.rules.key_prefix, &person.0)
    }

    fn member<'a>(&self, key: &'a StorageKey) -> &'a str {
        let key = key.as_str();
        key.strip_prefix(&self.rules.key_prefix).unwrap_or(key)
    }

    pub(super) fn key_of_member(&self, member: &str) -> StorageKey {
        self.rules.format.ids().key_of_member(&self.rules.key_prefix, member)
    }
}
