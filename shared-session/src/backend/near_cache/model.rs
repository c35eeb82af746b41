//! A model of one record in Redis, of the connections that tell about it, and of a process that remembers it. Random schedules
//! look for a moment at which the process shows a record that is too old. They find one in each broken variant.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::records::{Read, Records};
use super::span::Moment;

const KEY: &str = "session:x";
const TTL: Duration = Duration::from_secs(1000);

/// How far the process may be behind.
const BOUND: u64 = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Remembers what it read over a former connection.
    AnyConnection,
    /// Uses a record after the lease ended.
    NoLease,
    /// Counts the lease from the reply instead of the question.
    LeaseFromReply,
    /// Remembers a record although something was told about its key during the read.
    NoNumber,
    /// Keeps what it remembers when it changes the record itself.
    KeepsOwnChanges,
    /// Removes what it remembers before its own change only.
    ForgetsOnlyBefore,
    /// Keeps what a former connection told about.
    KeepsFormer,
}

/// A connection that tells what changed.
#[derive(Default)]
struct Connection {
    number: u64,
    /// What Redis has not run yet.
    sent: VecDeque<Question>,
    /// What the process has not received yet.
    wire: VecDeque<Message>,
    /// Whether Redis tells it of the next change.
    tracks: bool,
    is_open: bool,
}

enum Question {
    Read(usize),
    /// Which was asked at this time.
    Lease(u64),
}

enum Message {
    Changed,
    /// The reply to a read: the version of the record.
    Record(usize, u64),
    Lease(u64),
}

struct World<'a> {
    fault: Fault,
    records: &'a Records,
    start: Moment,
    now: u64,
    /// The version of the record, and when each version was written.
    written: Vec<u64>,
    /// The last one is the present one.
    connections: Vec<Connection>,
    reads: Vec<Option<Read<'a>>>,
    /// Replies that wait for their task.
    replies: Vec<(usize, u64)>,
    /// The version after the process's own change that has no reply yet, once it is made.
    own: Option<Option<u64>>,
    /// The version after its last own change with a reply.
    own_done: u64,
}

impl<'a> World<'a> {
    fn new(records: &'a Records, fault: Fault) -> Self {
        let mut world = Self {
            fault,
            records,
            start: Moment::now(),
            now: 0,
            written: vec![0],
            connections: Vec::new(),
            reads: Vec::new(),
            replies: Vec::new(),
            own: None,
            own_done: 0,
        };
        world.connect();
        world
    }

    fn moment(&self) -> Moment {
        self.start.after(Duration::from_secs(self.now))
    }

    fn version(&self) -> u64 {
        self.written.len() as u64 - 1
    }

    fn write(&mut self) {
        self.written.push(self.now);
        for connection in self.connections.iter_mut().filter(|connection| connection.tracks) {
            connection.tracks = false;
            connection.wire.push_back(Message::Changed);
        }
    }

    fn connect(&mut self) {
        let number = match self.connections.last() {
            Some(last) if self.fault == Fault::KeepsFormer => last.number,
            _ => self.records.begin(),
        };
        self.connections.push(Connection {
            number,
            is_open: true,
            ..Connection::default()
        });
    }

    /// Begins a read, perhaps over a former connection, which a request may still hold.
    fn read(&mut self, connection: usize) {
        let mut read = self
            .records
            .read(KEY, self.connections[connection].number, self.moment());
        if self.fault == Fault::AnyConnection {
            read = self
                .records
                .read(KEY, self.connections.last().unwrap().number, self.moment());
        }
        self.connections[connection]
            .sent
            .push_back(Question::Read(self.reads.len()));
        self.reads.push(Some(read));
    }

    /// Lets Redis run the next command of a connection.
    fn run(&mut self, connection: usize) {
        let version = self.version();
        let connection = &mut self.connections[connection];
        match connection.sent.pop_front() {
            Some(Question::Read(read)) => {
                connection.tracks = true;
                connection.wire.push_back(Message::Record(read, version));
            }
            Some(Question::Lease(began)) => connection.wire.push_back(Message::Lease(began)),
            None => {}
        }
    }

    /// Lets the process receive the next message of a connection.
    fn receive(&mut self, connection: usize) {
        let is_present = connection + 1 == self.connections.len();
        match self.connections[connection].wire.pop_front() {
            Some(Message::Changed) => self.records.note_change(KEY),
            Some(Message::Record(read, version)) => self.replies.push((read, version)),
            Some(Message::Lease(began)) if is_present => {
                let began = if self.fault == Fault::LeaseFromReply {
                    self.now
                } else {
                    began
                };
                let began = self.start.after(Duration::from_secs(began));
                self.records.extend_lease(began, Duration::from_secs(BOUND));
            }
            Some(Message::Lease(_)) | None => {}
        }
    }

    /// Lets the task of a read go on with its reply.
    fn resume(&mut self, reply: usize) {
        let (read, version) = self.replies.swap_remove(reply);
        let read = self.reads[read].take().unwrap();
        let record = Bytes::from(version.to_string());
        if self.fault == Fault::NoNumber {
            // as if nothing had been told since
            let again = self
                .records
                .read(KEY, self.connections.last().unwrap().number, self.moment());
            drop(read);
            again.remember(record, TTL, TTL);
        } else {
            read.remember(record, TTL, TTL);
        }
    }

    /// Takes the next step of the process's own change, over a connection that tells nothing.
    fn change(&mut self) {
        self.own = match self.own {
            None => {
                if self.fault != Fault::KeepsOwnChanges {
                    self.records.forget(KEY);
                }
                Some(None)
            }
            Some(None) => {
                self.write();
                Some(Some(self.version()))
            }
            Some(Some(version)) => {
                if !matches!(self.fault, Fault::KeepsOwnChanges | Fault::ForgetsOnlyBefore) {
                    self.records.forget(KEY);
                }
                self.own_done = version;
                None
            }
        };
    }

    fn close(&mut self, connection: usize) {
        let connection = &mut self.connections[connection];
        connection.sent.clear();
        connection.wire.clear();
        (connection.tracks, connection.is_open) = (false, false);
    }

    fn step(&mut self, random: &mut Random) {
        // the present one, or the one before it
        let last = self.connections.len() - 1;
        let connection = last.saturating_sub(random.below(2));
        match random.below(32) {
            0 => self.write(),
            1 => self.change(),
            2 | 3 if self.connections[connection].is_open => self.read(connection),
            4 | 5 if self.connections[connection].is_open => {
                let question = Question::Lease(self.now);
                self.connections[connection].sent.push_back(question);
            }
            6..=12 => self.run(connection),
            13..=19 => self.receive(connection),
            20..=25 if !self.replies.is_empty() => {
                let reply = random.below(self.replies.len());
                self.resume(reply);
            }
            26 | 27 => self.now += random.below(4) as u64,
            28 if connection < last || random.below(8) == 0 => self.close(connection),
            29 if random.below(3) == 0 => self.connect(),
            _ => {}
        }
    }

    /// Returns the version that a request would see now without a command, if it would.
    fn shown(&self) -> Option<u64> {
        if self.fault == Fault::NoLease {
            self.records.extend_lease(self.moment(), Duration::from_secs(BOUND));
        }
        let record = self.records.get(KEY, TTL, self.moment())?;
        Some(std::str::from_utf8(&record).unwrap().parse().unwrap())
    }

    /// Returns whether the process shows a record that is too old.
    fn is_behind(&self) -> bool {
        let Some(shown) = self.shown() else { return false };
        let old_enough = |time: &&u64| **time + BOUND <= self.now;
        let must_show = self.written.iter().take_while(old_enough).count().saturating_sub(1) as u64;
        shown < must_show || shown < self.own_done
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((number ^ (number >> 31)) % limit as u64).unwrap()
    }
}

/// Returns the first schedule that shows a record that is too old, and how often a record was shown without a command.
fn search(fault: Fault, schedules: u64) -> (Option<u64>, u64) {
    let mut shown = 0;
    for seed in 0..schedules {
        let records = Records::new(10_000);
        let (mut world, mut random) = (World::new(&records, fault), Random(seed));
        for _ in 0..150 {
            world.step(&mut random);
            shown += u64::from(world.shown().is_some());
            if world.is_behind() {
                return (Some(seed), shown);
            }
        }
    }
    (None, shown)
}

#[test]
fn no_schedule_shows_a_record_that_is_too_old() {
    let (found, shown) = search(Fault::None, 10_000);
    assert_eq!(found, None);
    assert!(shown > 10_000, "only {shown} records were shown");
}

#[test]
fn search_finds_every_broken_variant() {
    for fault in [
        Fault::AnyConnection,
        Fault::NoLease,
        Fault::LeaseFromReply,
        Fault::NoNumber,
        Fault::KeepsOwnChanges,
        Fault::ForgetsOnlyBefore,
        Fault::KeepsFormer,
    ] {
        let (found, _) = search(fault, 20_000);
        assert!(found.is_some(), "{fault:?} is not found");
    }
}
