//! Stores texts in the memory of this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use service_kit::Failure;

use super::Texts;

/// How many texts may be stored before the expired ones are removed.
const MAX_UNCHECKED: usize = 10_000;

/// Texts in the memory of this process. They are lost when it ends.
#[derive(Default)]
pub(super) struct MemoryTexts(Mutex<HashMap<String, (String, Instant)>>);

/// Returns the text under a key, unless it has expired.
fn live<'a>(texts: &'a HashMap<String, (String, Instant)>, key: &str) -> Option<&'a str> {
    let (text, ends) = texts.get(key)?;
    (Instant::now() < *ends).then_some(text)
}

#[async_trait]
impl Texts for MemoryTexts {
    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        Ok(live(&self.0.lock(), key).map(str::to_owned))
    }

    async fn replace(&self, key: &str, expected: Option<&str>, new: &str, ttl: Duration) -> Result<bool, Failure> {
        let mut texts = self.0.lock();
        let is_expected = live(&texts, key) == expected;
        if is_expected {
            let now = Instant::now();
            if texts.len() >= MAX_UNCHECKED {
                texts.retain(|_, (_, ends)| now < *ends);
            }
            texts.insert(key.to_owned(), (new.to_owned(), now + ttl));
        }
        Ok(is_expected)
    }

    async fn remove(&self, key: &str) -> Result<(), Failure> {
        self.0.lock().remove(key);
        Ok(())
    }
}
