//! [`Change`]: the fields that one request set or removed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::fields::Fields;

/// What one request did to a session: the fields that it set and those that it removed, and nothing of the rest.
///
/// This is what keeps updates from being lost: committing a change to whatever the record holds by then leaves alone
/// what other requests did to other fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    set: BTreeMap<String, String>,
    removed: BTreeSet<String>,
    device: Option<String>,
}

/// What is kept of a device's name.
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

    /// The same, of the names and values of fields whose names are distinct.
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

    /// Adds that the request set a field, also if the value is the same as before.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &str) -> Self {
        self.set.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Says from which device the request came, by its `User-Agent`. 200 characters of it are kept, and no control
    /// characters. A change of nothing stays one.
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

    /// The device that the request came from, if it told.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Whether the request changed nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }

    /// Whether this change sets any field.
    #[must_use]
    pub fn sets_any(&self) -> bool {
        !self.set.is_empty()
    }

    /// Whether this change sets the field.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// The value to which this change sets the field, as JSON text.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// Whether this change sets or removes the field.
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

    /// Reverts a change: restores the values in `before` of those fields that still are as the change left them.
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
