//! Reads metadata from its JSON text, by the grammar of `docs/wire-format.md`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Metadata, Superseded, VERSION};
use crate::session::MAX_INTEGER;
use crate::session::verifier::VerifierDigest;

/// Returns the metadata that has this text. Its parts share the memory of the text.
pub(super) fn read(text: &ByteString) -> serde_json::Result<Metadata> {
    let mut json = serde_json::Deserializer::from_str(text);
    let metadata = json.deserialize_map(Reader(text))?;
    json.end()?;
    Ok(metadata)
}

struct Reader<'a>(&'a ByteString);

/// An integer that every language holds exactly.
#[derive(Deserialize)]
#[serde(try_from = "u64")]
struct Integer(u64);

/// A text, which is copied only if it has an escape sequence.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Reader<'de> {
    type Value = Metadata;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("session metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Metadata, A::Error> {
        let (mut metadata, mut unknown_names) = (Metadata::default(), BTreeSet::new());
        let (mut version, mut superseded, mut remembered) = (None, None, None);
        // a name that has an escape sequence cannot be borrowed, and is an error
        while let Some(name) = members.next_key::<&str>()? {
            let is_first = match name {
                "version" => version.replace(integer(&mut members)?).is_none(),
                "created" => metadata.created.replace(seconds(&mut members)?).is_none(),
                "signed_in" => metadata.signed_in.replace(seconds(&mut members)?).is_none(),
                "verifier" => {
                    let digest = VerifierDigest::of_record(self.share(members.next_value()?));
                    metadata.verifier.replace(digest).is_none()
                }
                "superseded" => {
                    let entries: Vec<(Text<'_>, Integer)> = members.next_value()?;
                    superseded.replace(entries).is_none()
                }
                "indexed" => {
                    let text = self.share(members.next_value()?);
                    metadata.index_fingerprint.replace(text).is_none()
                }
                "device" => metadata.device.replace(self.share(members.next_value()?)).is_none(),
                "remembered" => remembered.replace(members.next_value()?).is_none(),
                _ => {
                    let value: &RawValue = members.next_value()?;
                    let member = (self.0.slice_ref(name), self.0.slice_ref(value.get()));
                    metadata.unknown.push(member);
                    unknown_names.insert(name)
                }
            };
            if !is_first {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        if metadata.created.is_none() || version.unwrap_or(VERSION) != VERSION {
            return Err(A::Error::custom("no creation time, or unknown version"));
        }
        let superseded = superseded.unwrap_or_default().into_iter();
        let share = |(text, time): (_, Integer)| Superseded(VerifierDigest::of_record(self.share(text)), time.0);
        metadata.superseded = superseded.map(share).collect();
        metadata.is_remembered = remembered.unwrap_or_default();
        Ok(metadata)
    }
}

impl Reader<'_> {
    fn share(&self, Text(text): Text<'_>) -> ByteString {
        match text {
            Cow::Borrowed(part) => self.0.slice_ref(part),
            Cow::Owned(text) => text.into(),
        }
    }
}

fn integer<'de, A: MapAccess<'de>>(members: &mut A) -> Result<u64, A::Error> {
    members.next_value::<Integer>().map(|Integer(value)| value)
}

fn seconds<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Duration, A::Error> {
    integer(members).map(Duration::from_secs)
}

impl TryFrom<u64> for Integer {
    type Error = &'static str;

    fn try_from(value: u64) -> Result<Self, Self::Error> {
        if value <= MAX_INTEGER {
            Ok(Self(value))
        } else {
            Err("too large")
        }
    }
}
