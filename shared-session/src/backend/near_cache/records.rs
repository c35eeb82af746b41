//! [`Records`]: the records that this process remembers, and how long each may be used.
//!
//! A record is remembered if nothing was told about its key between the beginning of its read and its reply, on the
//! connection that still tells. It is used while the lease lasts: the time since the connection last told everything.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::awaited::{Awaited, NextChange};
use super::span::{Moment, Span};

/// How many bytes an entry takes beside its key and its record.
const OVERHEAD: usize = 200;

/// How many bytes a usual record takes.
const USUAL: u64 = 512;

/// What is remembered. All changes are made under the lock of `reads`.
pub(super) struct Records {
    remembered: Cache<String, Remembered, Size>,
    reads: Mutex<Reads>,
    lease: RwLock<Option<Span>>,
    awaited: Awaited,
}

/// A record, as it was read.
#[derive(Clone)]
struct Remembered {
    record: Bytes,
    /// The idle timeout that the read gave it.
    ttl: Duration,
    /// How long it need not be extended.
    fresh: Span,
}

/// The reads that have begun.
#[derive(Default)]
struct Reads {
    /// The number of the connection that tells what changed.
    connection: u64,
    /// How many reads there were.
    count: u64,
    /// The last read of each key, unless it ended, or something was told about the key since.
    waiting: HashMap<String, u64>,
}

/// A read whose record will be remembered, if nothing is told about its key meanwhile.
pub(super) struct Read<'a> {
    records: &'a Records,
    key: &'a str,
    number: u64,
    connection: u64,
    began: Moment,
}

#[derive(Clone)]
struct Size;

impl Weighter<String, Remembered> for Size {
    fn weight(&self, key: &String, remembered: &Remembered) -> u64 {
        (key.len() + remembered.record.len() + OVERHEAD) as u64
    }
}

impl Records {
    /// Creates room for `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let items = usize::try_from(capacity / USUAL).unwrap_or(usize::MAX);
        Self {
            remembered: Cache::with_weighter(items, capacity, Size),
            reads: Mutex::default(),
            lease: RwLock::default(),
            awaited: Awaited::default(),
        }
    }

    /// Returns the record under `key`, if it may be used now and need not be extended.
    pub fn get(&self, key: &str, ttl: Duration, now: Moment) -> Option<Bytes> {
        self.lease.read().filter(|lease| lease.holds(now))?;
        let found = self.remembered.get(key)?;
        (found.ttl == ttl && found.fresh.holds(now)).then_some(found.record)
    }

    /// Begins with another connection: forgets everything. Returns the number of the connection.
    pub fn begin(&self) -> u64 {
        let mut reads = self.reads.lock();
        self.clear(&mut reads);
        *self.lease.write() = None;
        reads.connection += 1;
        reads.connection
    }

    /// Lets the records be used for `length` from now on: the connection told everything that changed before `began`.
    pub fn extend_lease(&self, began: Moment, length: Duration) {
        *self.lease.write() = Some(Span::new(began, length));
    }

    /// Lets no record be used until the lease is extended again.
    pub fn end_lease(&self) {
        *self.lease.write() = None;
    }

    /// Begins to read the record under `key` over the connection with this number. Replaces an earlier read of the key.
    pub fn read<'a>(&'a self, key: &'a str, connection: u64, began: Moment) -> Read<'a> {
        let mut reads = self.reads.lock();
        reads.count += 1;
        let number = reads.count;
        reads.waiting.insert(key.to_owned(), number);
        Read {
            records: self,
            key,
            number,
            connection,
            began,
        }
    }

    /// Forgets the record under `key`, also one whose read has begun.
    pub fn forget(&self, key: &str) {
        let mut reads = self.reads.lock();
        reads.waiting.remove(key);
        self.remembered.remove(key);
    }

    /// Notes that the record under `key` changed, as the connection told.
    pub fn note_change(&self, key: &str) {
        self.forget(key);
        self.awaited.tell(key);
    }

    /// Notes that all records may have changed.
    pub fn note_change_of_all(&self) {
        self.clear(&mut self.reads.lock());
    }

    /// Returns the next change of the record under `key` that the connection tells, or its end.
    pub fn next_change<'a>(&'a self, key: &'a str) -> NextChange<'a> {
        self.awaited.next(key)
    }

    /// Wakes everybody who waits for a change: nobody tells of one any more.
    pub fn wake(&self) {
        self.awaited.tell_all();
    }

    fn clear(&self, reads: &mut Reads) {
        reads.waiting.clear();
        self.remembered.clear();
        self.awaited.tell_all();
    }

    /// Returns how many bytes the records take.
    pub fn size(&self) -> u64 {
        self.remembered.weight()
    }
}

impl Read<'_> {
    /// Remembers the record that was read, with the time until it must be extended.
    pub fn remember(self, record: Bytes, ttl: Duration, fresh: Duration) {
        let fresh = Span::new(self.began, fresh);
        let reads = self.records.reads.lock();
        if reads.connection == self.connection && reads.waiting.get(self.key) == Some(&self.number) {
            let remembered = Remembered { record, ttl, fresh };
            self.records.remembered.insert(self.key.to_owned(), remembered);
        }
    }
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        let mut reads = self.records.reads.lock();
        if reads.waiting.get(self.key) == Some(&self.number) {
            reads.waiting.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(1000);

    fn remember(records: &Records, connection: u64, key: &str, length: usize) {
        let read = records.read(key, connection, Moment::now());
        read.remember(Bytes::from(vec![b'x'; length]), TTL, TTL);
    }

    /// A bot that sends one request with each of many sessions must not end what other users gain.
    #[test]
    fn scan_of_many_sessions_stays_in_the_capacity_and_ends_nothing_that_is_used() {
        let capacity = 1024 * 1024;
        let records = Records::new(capacity);
        let connection = records.begin();
        records.extend_lease(Moment::now(), TTL);
        let used: Vec<String> = (0..200).map(|number| format!("used {number}")).collect();
        for _ in 0..5 {
            for key in &used {
                if records.get(key, TTL, Moment::now()).is_none() {
                    remember(&records, connection, key, 300);
                }
            }
        }
        for number in 0..100_000 {
            remember(&records, connection, &format!("scan {number}"), 300);
            assert!(records.size() <= capacity);
        }
        let kept = used.iter().filter(|key| records.get(key, TTL, Moment::now()).is_some());
        assert_eq!(kept.count(), used.len());
    }

    #[test]
    fn record_that_is_larger_than_the_capacity_is_not_remembered() {
        let records = Records::new(10_000);
        let connection = records.begin();
        records.extend_lease(Moment::now(), TTL);
        remember(&records, connection, "large", 100_000);
        assert_eq!((records.get("large", TTL, Moment::now()), records.size()), (None, 0));
    }
}
