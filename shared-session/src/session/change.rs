//! [`Change`]: the fields that one request set or removed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::Fields;

/// The fields that one request set and those that it removed.
///
/// Committing it to a newer record keeps what other requests did to other fields, so no update is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    set: BTreeMap<String, String>,
    removed: BTreeSet<String>,
    device: Option<String>,
    is_remembered: bool,
}

/// How many characters of a device's name are kept.
const DEVICE_CHARACTERS: usize = 200;

/// A value that a handler left in its session, in the representation of the framework's own session type: JSON text, or a
/// [`Value`].
pub trait JsonValue: Sized {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not valid JSON.
    fn from_json(json: &str) -> Result<Self, serde_json::Error>;

    /// Returns whether this JSON text is the same value.
    fn is(&self, json: &str) -> bool;

    /// Returns the value as JSON text.
    fn to_json(&self) -> String;
}

impl JsonValue for String {
    fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(|value: &RawValue| value.get().to_owned())
    }

    fn is(&self, json: &str) -> bool {
        self == json
    }

    fn to_json(&self) -> String {
        self.clone()
    }
}

impl JsonValue for Value {
    /// JSON that a [`Value`] cannot hold, such as a number beyond `f64`, is read as a text: the JSON itself.
    fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).or_else(|_| String::from_json(json).map(Self::String))
    }

    fn is(&self, json: &str) -> bool {
        Self::from_json(json).is_ok_and(|value| value == *self)
    }

    fn to_json(&self) -> String {
        self.to_string()
    }
}

impl Change {
    /// Returns the difference between the fields as they were loaded and the entries that the handler left behind.
    #[must_use]
    pub fn between<V: JsonValue>(before: &Fields, after: &HashMap<String, V>) -> Self {
        Self::between_distinct(before.visible().iter().map(|(name, value)| (*name, *value)), after)
    }

    /// Returns the difference as [`between`](Self::between) does, for fields whose names are distinct.
    pub(crate) fn between_distinct<'a, V: JsonValue>(
        before: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        after: &HashMap<String, V>,
    ) -> Self {
        let mut change = Self::default();
        let mut kept = 0;
        for (name, value) in before.clone() {
            match after.get(name) {
                Some(new) => {
                    kept += 1;
                    if !new.is(value) {
                        change.set.insert(name.to_owned(), new.to_json());
                    }
                }
                None => {
                    change.removed.insert(name.to_owned());
                }
            }
        }
        if kept < after.len() {
            let names: HashSet<&str> = before.map(|(name, _)| name).collect();
            let added = after.iter().filter(|(name, _)| !names.contains(name.as_str()));
            change
                .set
                .extend(added.map(|(name, value)| (name.clone(), value.to_json())));
        }
        change
    }

    /// Sets a field, even to the value that it had before.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &str) -> Self {
        self.set.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn without_field(mut self, name: &str) -> Self {
        self.removed.insert(name.to_owned());
        self
    }

    /// Sets the device that the request came from, by its `User-Agent`. Keeps 200 characters of it, and no control
    /// characters. An empty change stays empty.
    #[must_use]
    pub fn with_device(mut self, user_agent: &str) -> Self {
        let user_agent = user_agent.trim();
        let is_kept =
            user_agent.len() <= DEVICE_CHARACTERS && user_agent.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let device = if is_kept {
            user_agent.to_owned()
        } else {
            let characters = user_agent.chars().filter(|character| !character.is_control());
            characters.take(DEVICE_CHARACTERS).collect()
        };
        self.device = (!device.is_empty()).then_some(device);
        self
    }

    /// Lets the user whom this change signs in stay signed in. A session that this change begins is remembered, too. An empty
    /// change stays empty.
    #[must_use]
    pub fn remembered(mut self) -> Self {
        self.is_remembered = true;
        self
    }

    /// Returns whether the user whom this change signs in stays signed in.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.is_remembered
    }

    /// Returns the device that the request came from, if it is known.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Returns whether the request changed nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }

    /// Returns whether this change sets any field.
    #[must_use]
    pub fn sets_any(&self) -> bool {
        !self.set.is_empty()
    }

    /// Returns whether this change sets the field.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// Returns the value to which this change sets the field, as JSON text.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// Returns whether this change sets or removes the field.
    #[must_use]
    pub fn touches(&self, name: &str) -> bool {
        self.set.contains_key(name) || self.removed.contains(name)
    }
}

impl Fields {
    /// Applies a request's change to these fields, which may be newer than those that the request loaded.
    pub fn apply(&mut self, change: &Change) {
        for name in &change.removed {
            self.remove(name);
        }
        for (name, value) in &change.set {
            if self.get(name) != Some(value) {
                self.set(name, value);
            }
        }
    }

    /// Reverts a change: restores the values in `before` of the fields that nobody changed since.
    pub fn undo(&mut self, change: &Change, before: &Fields) {
        let removed = change.removed.iter().map(|name| (name, None));
        for (name, left) in change
            .set
            .iter()
            .map(|(name, value)| (name, Some(&**value)))
            .chain(removed)
        {
            if self.get(name) == left {
                match before.get(name) {
                    Some(value) => self.set(name, value),
                    None => self.remove(name),
                }
            }
        }
    }
}
