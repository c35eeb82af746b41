//! A task, its id and its title: their rules and the JSON form of a task.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use service_kit::Failure;
use service_kit::site::text;

/// A task of a list. Its JSON form is `{"title":"…","done":false}`, stored under its id, which has the time of its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The id, which is not part of the JSON form.
    #[serde(skip, default = "TaskId::placeholder")]
    pub id: TaskId,
    /// The title.
    pub title: Title,
    /// Whether the task is done.
    pub done: bool,
}

impl Task {
    /// Creates a task that is not done, with a new id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the operating system provides no random bytes.
    pub fn new(title: Title) -> Result<Self, Failure> {
        Ok(Self {
            id: TaskId::generate(unique_time())?,
            title,
            done: false,
        })
    }

    /// Decodes the task that is stored under `id`. Returns `None` if the JSON is invalid.
    #[must_use]
    pub fn from_json(id: TaskId, json: &[u8]) -> Option<Self> {
        let task = serde_json::from_slice(json).ok()?;
        Some(Self { id, ..task })
    }

    /// Encodes the task as JSON, without its id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if serialization fails. No task is known for which it does.
    pub fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Applies a change. Returns whether the task is different now.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Done(done) => std::mem::replace(&mut self.done, *done) != *done,
            Change::Title(title) => std::mem::replace(&mut self.title, title.clone()) != *title,
        }
    }
}

/// Sorts tasks by id, which is the order of their creation.
pub fn sort(tasks: &mut [Task]) {
    tasks.sort_unstable_by(|one, other| one.id.cmp(&other.id));
}

/// Returns the time in microseconds since the Unix epoch, later than every time that it returned before in this process.
fn unique_time() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    let later = |last: u64| now.max(last.saturating_add(1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)));
    last.map_or(now, later)
}

/// A change to one property of a task. Applied twice, it has the same effect as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets whether the task is done.
    Done(bool),
    /// Sets the title.
    Title(Title),
}

/// The id of a task: 16 digits in base 32, of which 11 are the time of its creation and 5 are random. So the order of ids is
/// the order of creation, and a store can page a list by its ids alone. An id is not a secret, because it identifies a task
/// within one list only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TaskId(String);

impl TaskId {
    const LENGTH: usize = 16;
    const TIME_LENGTH: usize = 11;

    /// Generates the id of a task that was created at this time, in microseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Internal`] if the operating system provides no random bytes.
    pub fn generate(created: u64) -> Result<Self, Failure> {
        let mut random = [0_u8; Self::LENGTH - Self::TIME_LENGTH];
        getrandom::fill(&mut random).map_err(|error| Failure::Internal(format!("no random bytes: {error}")))?;
        let time = (0..Self::TIME_LENGTH).rev().map(|place| created >> (5 * place));
        let digits = time.chain(random.into_iter().map(u64::from));
        let digits = digits.filter_map(|bits| char::from_digit((bits % 32) as u32, 32));
        Ok(Self(digits.collect()))
    }

    /// Parses an id. Returns `None` if [`generate`](Self::generate) cannot have produced the text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'v');
        (text.len() == Self::LENGTH && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the value of a decoded task's `id` field until `from_json` sets it.
    fn placeholder() -> Self {
        Self(String::new())
    }
}

impl TryFrom<String> for TaskId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("invalid task id")
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The title of a task: one line of 1 to 200 characters, in at most 600 bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title(String);

impl Title {
    /// The maximum length in Unicode scalar values.
    pub const MAX_LENGTH: usize = 200;
    /// The maximum length in bytes. No living script needs more than three for a character; emoji need four and more.
    pub const MAX_BYTES: usize = 3 * Self::MAX_LENGTH;

    /// Parses the title that a user typed. Removes leading and trailing whitespace. Control characters become spaces. Characters
    /// that are invisible, or that change the direction of the text, come with pasted text unseen, and are removed.
    ///
    /// # Errors
    ///
    /// Returns a message for the user if the title is empty or too long.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let title: String = typed
            .chars()
            .map(|character| match character {
                '\u{2028}' | '\u{2029}' => ' ',
                _ if character.is_control() => ' ',
                _ => character,
            })
            .filter(|character| !text::is_hidden(*character))
            .collect();
        let title = title.trim();
        match title.chars().count() {
            _ if !text::is_visible(title) => Err("Enter a title.".to_owned()),
            length if length > Self::MAX_LENGTH => Err(format!(
                "The title is too long. It has {length} characters, and at most {} are allowed.",
                Self::MAX_LENGTH
            )),
            _ if title.len() > Self::MAX_BYTES => {
                Err("The title is too long, because emoji and rare characters need more space than others.".to_owned())
            }
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn title_is_trimmed_to_one_line() {
        for (typed, title) in [
            ("a", "a"),
            (" \t Buy  milk \r\n", "Buy  milk"),
            ("one\ttwo\r\nthree\0four", "one two  three four"),
            ("\u{3000}장보기\u{a0}", "장보기"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            (
                "pay\u{202e}001 \u{2066}\u{feff}to\u{200b} Anna\u{2028}now",
                "pay001 to Anna now",
            ),
            ("👩\u{200d}👧 ❤\u{fe0f}", "👩\u{200d}👧 ❤\u{fe0f}"),
        ] {
            assert_eq!(Title::parse(typed).unwrap().to_string(), title, "{typed:?}");
        }
    }

    #[test]
    fn empty_and_too_long_titles_are_rejected() {
        for empty in [
            "",
            "   ",
            "\t\r\n",
            "\0",
            "\u{200b}",
            "\u{202e} \u{2069}",
            "\u{200d}",
            "\u{3164}",
        ] {
            assert_eq!(Title::parse(empty).unwrap_err(), "Enter a title.");
        }
        for character in ["x", "할"] {
            assert!(Title::parse(&character.repeat(200)).is_ok());
            assert!(Title::parse(&format!(" {} ", character.repeat(200))).is_ok());
            assert_eq!(
                Title::parse(&character.repeat(201)).unwrap_err(),
                "The title is too long. It has 201 characters, and at most 200 are allowed."
            );
        }
    }

    #[test]
    fn title_is_limited_in_bytes_too() {
        assert!(Title::parse(&"🙂".repeat(150)).is_ok());
        let error = Title::parse(&"🙂".repeat(151)).unwrap_err();
        assert!(error.starts_with("The title is too long"), "{error}");
    }

    #[test]
    fn ids_are_in_the_order_of_creation() {
        let tasks: Vec<Task> = (0..1000)
            .map(|_| Task::new(Title::parse("a").unwrap()).unwrap())
            .collect();
        assert!(tasks.is_sorted_by(|one, other| one.id < other.id));
        let late = TaskId::generate(u64::MAX >> 9).unwrap();
        assert!(late.as_str().starts_with("vvvvvvvvvvv") && tasks[0].id < late);
    }

    #[test]
    fn generated_ids_are_unique_and_parse() {
        let ids: HashSet<TaskId> = (0..1000).map(|_| TaskId::generate(unique_time()).unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        let characters: HashSet<char> = ids.iter().flat_map(|id| id.as_str().chars()).collect();
        assert_eq!(characters.len(), 32);
        for id in ids {
            assert_eq!(TaskId::parse(id.as_str()), Some(id));
        }
    }

    #[test]
    fn invalid_ids_are_rejected() {
        for text in [
            "",
            "abc",
            "0123456789ABCDEF",
            "0123456789abcde.",
            "0123456789abcdew",
            "0123456789abcdef0",
            "할할할할할1",
        ] {
            assert_eq!(TaskId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn task_survives_json() {
        let task = Task::new(Title::parse("a \"b\" </c>").unwrap()).unwrap();
        let json = task.to_json().unwrap();
        assert!(!json.contains(task.id.as_str()));
        assert_eq!(Task::from_json(task.id.clone(), json.as_bytes()), Some(task));
    }

    #[test]
    fn invalid_json_is_rejected() {
        let id = TaskId::generate(0).unwrap();
        for json in ["", "null", "[]", "{}", r#"{"title":"a","done":1}"#] {
            assert_eq!(Task::from_json(id.clone(), json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn apply_reports_whether_the_task_changed() {
        let title = |text| Title::parse(text).unwrap();
        let mut task = Task::new(title("a")).unwrap();
        for (change, expected) in [
            (Change::Done(false), false),
            (Change::Done(true), true),
            (Change::Done(true), false),
            (Change::Title(title("a")), false),
            (Change::Title(title("b")), true),
        ] {
            assert_eq!(task.apply(&change), expected, "{change:?}");
        }
        assert_eq!((task.title.to_string().as_str(), task.done), ("b", true));
    }
}
