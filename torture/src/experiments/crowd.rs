//! [`Crowd`]: users whose sessions go through a fault.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::experiment::Finding;
use crate::lab::{Answer, Browser, Server};

/// What the figure of a crowd counts.
pub(super) const OUTCOMES: &str = "what users saw";

/// How many requests wait at the same time. A server with four workers has one left for visitors.
pub(super) const USERS: usize = 3;

/// How long a server may take to work again after a fault.
pub(super) const RECOVERY: Duration = Duration::from_secs(15);

/// Users, each with a session, and what happened to them so far.
pub(super) struct Crowd {
    users: Vec<User>,
}

struct User {
    name: String,
    browser: Browser,
    /// The number of changes so far.
    changes: usize,
    /// The changes since the last check that were answered as done: fields whose value is their name, and items.
    set: Vec<String>,
    added: Vec<String>,
    seen: Seen,
}

/// What was seen of a server.
#[derive(Clone, Copy, Default)]
struct Seen {
    sent: usize,
    answered: usize,
    refused: usize,
    visitors_refused: usize,
    lost: usize,
    repeated: usize,
    signed_out: usize,
    not_served: usize,
}

impl Crowd {
    /// Signs users in, who each change a field, and lets every process of the server connect to Redis.
    pub(super) async fn sign_in(server: &Server, users: usize) -> Result<Self> {
        let users = (0..users).map(|n| User::sign_in(server, format!("user{n}")));
        let users = try_join_all(users).await?;
        let read = |n: usize| {
            let browser = users[n % users.len()].browser.clone();
            async move { browser.get("user").await }
        };
        join_all((0..20).map(read)).await;
        Ok(Self { users })
    }

    /// Lets each user read, make two changes, and visit twice without a cookie: one request at a time.
    pub(super) async fn requests(&mut self) {
        join_all(self.users.iter_mut().map(User::requests)).await;
    }

    /// Lets each user change fields and add items, with pauses in between.
    pub(super) async fn changes(&mut self, number: usize, pause: Duration) {
        let changes = async |user: &mut User| {
            for n in 0..number {
                if n % 2 == 0 {
                    user.set().await;
                } else {
                    user.add().await;
                }
                sleep(pause).await;
            }
        };
        join_all(self.users.iter_mut().map(changes)).await;
    }

    /// Waits after a fault until all users are served again, at most for `limit`, and looks for what was lost.
    pub(super) async fn check(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        join_all(self.users.iter_mut().map(|user| user.check(end))).await;
    }

    /// Returns the number of requests that were answered, but not as carried out.
    pub(super) fn refused(&self) -> usize {
        self.users.iter().map(|user| user.seen.refused).sum()
    }

    pub(super) fn finding(&self) -> Finding {
        Finding::new(self.is_well(), self.figure())
    }

    /// Returns whether every request was answered, those of visitors as carried out, and nobody lost anything.
    pub(super) fn is_well(&self) -> bool {
        let seen = self.seen();
        let failures = seen.visitors_refused + seen.lost + seen.repeated + seen.signed_out + seen.not_served;
        seen.answered == seen.sent && failures == 0
    }

    pub(super) fn figure(&self) -> String {
        let seen = self.seen();
        let mut parts = vec![
            format!("{} of {} answered", seen.answered, seen.sent),
            format!("{} changes lost", seen.lost),
            format!("{} signed out", seen.signed_out),
        ];
        let others = [
            (seen.repeated, "changes repeated"),
            (seen.visitors_refused, "visitors without a cookie not served"),
            (seen.not_served, "users not served afterwards"),
        ];
        let others = others.iter().filter(|(count, _)| *count > 0);
        parts.extend(others.map(|(count, what)| format!("{count} {what}")));
        parts.join(", ")
    }

    fn seen(&self) -> Seen {
        self.users.iter().fold(Seen::default(), |all, user| all.and(user.seen))
    }
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            answered: self.answered + other.answered,
            refused: self.refused + other.refused,
            visitors_refused: self.visitors_refused + other.visitors_refused,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            signed_out: self.signed_out + other.signed_out,
            not_served: self.not_served + other.not_served,
        }
    }
}

impl User {
    async fn sign_in(server: &Server, name: String) -> Result<Self> {
        let browser = server.signed_in(&name).await?;
        let mut user = Self {
            name,
            browser,
            changes: 0,
            set: Vec::new(),
            added: Vec::new(),
            seen: Seen::default(),
        };
        user.set().await;
        ensure!(!user.set.is_empty(), "a change was refused before the fault");
        user.seen = Seen::default();
        Ok(user)
    }

    async fn requests(&mut self) {
        let read = self.browser.get("user").await;
        self.note(&read);
        self.visit().await;
        self.set().await;
        self.visit().await;
        self.add().await;
    }

    /// Visits as somebody without a cookie.
    async fn visit(&mut self) {
        let visitor = self.browser.clone();
        visitor.set_cookies(Vec::new());
        let answer = visitor.get("user").await;
        let is_served = self.note(&answer);
        self.seen.visitors_refused += usize::from(!is_served);
    }

    /// Sets a field that was not set before.
    async fn set(&mut self) {
        self.changes += 1;
        let field = format!("f{}", self.changes);
        let answer = self.browser.set(&field, &field).await;
        if self.note(&answer) {
            self.set.push(field);
        }
    }

    /// Adds an item that was not added before.
    async fn add(&mut self) {
        self.changes += 1;
        let item = format!("i{}", self.changes);
        let answer = self.browser.post("/add", &item).await;
        if self.note(&answer) {
            self.added.push(item);
        }
    }

    /// Notes an answer, and returns whether the request was carried out.
    fn note(&mut self, answer: &Answer) -> bool {
        self.seen.sent += 1;
        self.seen.answered += usize::from(answer.status.is_some());
        self.seen.refused += usize::from(answer.status.is_some() && !answer.done());
        answer.done()
    }

    async fn check(&mut self, end: Instant) {
        let fields = loop {
            match self.fields().await {
                Some(fields) => break fields,
                None if Instant::now() < end => sleep(Duration::from_millis(250)).await,
                None => return self.note_failure().await,
            }
        };
        let lost_fields = self
            .set
            .drain(..)
            .filter(|field| fields.get(field) != Some(&json!(field)));
        self.seen.lost += lost_fields.count();
        let mut items = fields
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        self.seen.lost += self
            .added
            .drain(..)
            .filter(|item| !items.contains(&json!(item)))
            .count();
        let length = items.len();
        items.sort_by_key(Value::to_string);
        items.dedup();
        // the list still holds those that an earlier check saw
        self.seen.repeated = length - items.len();
    }

    /// Returns the fields that must be there, if the user is signed in and can change the session.
    async fn fields(&mut self) -> Option<Map<String, Value>> {
        let names = format!("user,items,{}", self.set.join(","));
        let fields = self.browser.show(&names).await.ok()?;
        let is_signed_in = fields.get("user") == Some(&json!(self.name));
        (is_signed_in && self.browser.set("after", "x").await.done()).then_some(fields)
    }

    async fn note_failure(&mut self) {
        match self.browser.show("user").await {
            Ok(fields) if fields.get("user") != Some(&json!(self.name)) => self.seen.signed_out = 1,
            _ => self.seen.not_served = 1,
        }
    }
}
