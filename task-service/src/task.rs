//! A task, its id and its title: what each may be, and how a task is spelled where it is kept. Knows neither where that
//! is nor what pages look like.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use service_kit::Failure;

/// Something to be done. It is kept under its id as JSON: `{"title":"…","done":false,"created":1763830000000000}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What names it in addresses; not within what is kept.
    #[serde(skip, default = "TaskId::none")]
    pub id: TaskId,
    /// What is to be done.
    pub title: Title,
    /// Whether it has been.
    pub done: bool,
    /// When it was added, in microseconds since 1970: so fine that what one visitor adds in turn stays in turn.
    pub created: u64,
}

impl Task {
    /// A task to be done from now on.
    ///
    /// # Errors
    ///
    /// [`Failure::Internal`] without randomness for its id.
    pub fn new(title: Title) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            id: TaskId::generate()?,
            title,
            done: false,
            created: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// The task that is kept under `id`; `None` where it cannot be read.
    #[must_use]
    pub fn read(id: TaskId, kept: &[u8]) -> Option<Self> {
        let task = serde_json::from_slice(kept).ok()?;
        Some(Self { id, ..task })
    }

    /// How it is kept.
    ///
    /// # Errors
    ///
    /// None that is known of: what it consists of can all be spelled.
    pub fn kept(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Makes a change, and says whether it was one.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Done(done) => std::mem::replace(&mut self.done, *done) != *done,
            Change::Title(title) => std::mem::replace(&mut self.title, title.clone()) != *title,
        }
    }
}

/// Puts tasks in the order of lists: the oldest first, and those of one moment always in the same order.
pub fn sort(tasks: &mut [Task]) {
    tasks.sort_unstable_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
}

/// What may be done to a task that is there. One leaves alone what the other changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is done, or it is not after all. Made twice, it is the same as made once.
    Done(bool),
    /// It is called something else.
    Title(Title),
}

/// What names a task: 16 characters of `[0-9a-z]` at random. No secret, since it names a task within one list alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TaskId(String);

impl TaskId {
    const LENGTH: usize = 16;
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    /// A new one. 82 bits: no two are alike.
    ///
    /// # Errors
    ///
    /// [`Failure::Internal`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, Failure> {
        let mut number = u128::from(random()?) << 64 | u128::from(random()?);
        let id = (0..Self::LENGTH).map(|_| {
            // 128 bits are so many more than 82 that no character is measurably likelier than another
            let character = Self::ALPHABET[(number % 36) as usize];
            number /= 36;
            char::from(character)
        });
        Ok(Self(id.collect()))
    }

    /// An id out of an address or a name; `None` when it is none that could have been made here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = |byte: u8| Self::ALPHABET.contains(&byte);
        (text.len() == Self::LENGTH && text.bytes().all(known)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// No id: what a task has while it is being read.
    fn none() -> Self {
        Self(String::new())
    }
}

fn random() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::Internal(format!("no random bytes: {error}")))
}

impl TryFrom<String> for TaskId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no task's id")
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a task is called: one line of 1 to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title(String);

impl Title {
    /// How many characters a title has at most: Unicode's scalar values, since bytes would favour some languages.
    pub const LONGEST: usize = 200;

    /// A title as somebody typed it, without the space around it. Tabs, line ends and other control characters come
    /// in unseen when text is pasted, so they become spaces and nobody is asked to find them.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence to stand beside the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let title: String = text
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        let title = title.trim();
        match title.chars().count() {
            0 => Err("Please say what is to be done.".to_owned()),
            length if length > Self::LONGEST => Err(format!(
                "A title has at most {} characters; this one has {length}.",
                Self::LONGEST
            )),
            _ => Ok(Self(title.to_owned())),
        }
    }
}

impl fmt::Display for Title {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_without_the_space_around_it() {
        for (typed, title) in [
            ("a", "a"),
            (" \t Buy  milk \r\n", "Buy  milk"),
            ("one\ttwo\r\nthree\0four", "one two  three four"),
            ("\u{3000}장보기\u{a0}", "장보기"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ] {
            assert_eq!(Title::parse(typed).unwrap().to_string(), title, "{typed:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_title_is_said() {
        for nothing in ["", "   ", "\t\r\n", "\0"] {
            assert_eq!(Title::parse(nothing).unwrap_err(), "Please say what is to be done.");
        }
        for character in ["x", "할", "🙂"] {
            assert!(Title::parse(&character.repeat(200)).is_ok());
            assert!(Title::parse(&format!(" {} ", character.repeat(200))).is_ok());
            assert_eq!(
                Title::parse(&character.repeat(201)).unwrap_err(),
                "A title has at most 200 characters; this one has 201."
            );
        }
    }

    #[test]
    fn ids_are_unlike_each_other_and_no_other_text_is_one() {
        let ids: std::collections::HashSet<TaskId> = (0..1000).map(|_| TaskId::generate().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        let characters: std::collections::HashSet<char> = ids.iter().flat_map(|id| id.as_str().chars()).collect();
        assert_eq!(characters.len(), 36);
        for id in ids {
            assert_eq!(TaskId::parse(id.as_str()), Some(id));
        }
        for text in [
            "",
            "abc",
            "0123456789ABCDEF",
            "0123456789abcde.",
            "0123456789abcdef0",
            "할할할할할1",
        ] {
            assert_eq!(TaskId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_task_is_read_as_it_was_kept() {
        let task = Task::new(Title::parse("a \"b\" </c>").unwrap()).unwrap();
        let kept = task.kept().unwrap();
        assert!(!kept.contains(task.id.as_str()));
        assert_eq!(Task::read(task.id.clone(), kept.as_bytes()), Some(task.clone()));
        for rubbish in ["", "null", "[]", "{}", r#"{"title":"a","done":1,"created":1}"#] {
            assert_eq!(Task::read(task.id.clone(), rubbish.as_bytes()), None, "{rubbish}");
        }
    }

    #[test]
    fn a_change_that_is_none_is_told_from_one() {
        let title = |text| Title::parse(text).unwrap();
        let mut task = Task::new(title("a")).unwrap();
        for (change, changes) in [
            (Change::Done(false), false),
            (Change::Done(true), true),
            (Change::Done(true), false),
            (Change::Title(title("a")), false),
            (Change::Title(title("b")), true),
        ] {
            assert_eq!(task.apply(&change), changes, "{change:?}");
        }
        assert_eq!((task.title.to_string().as_str(), task.done), ("b", true));
    }
}
