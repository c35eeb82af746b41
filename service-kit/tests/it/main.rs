//! The tests of this crate: one program, because each one more takes long to link. A test of what belongs to the whole process
//! calls `alone` first.

#![allow(clippy::unwrap_used)]

mod card;
mod csrf;
mod database;
mod errors;
mod health;
mod logs;
mod metrics;
mod page;
mod request_id;
mod shutdown;
mod user;
