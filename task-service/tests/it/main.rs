//! The tests of this crate: one program, because each further one takes long to link.

#![allow(clippy::unwrap_used)]

mod changed_user;
mod contract;
mod drafts;
mod index;
mod redis_session_get;
mod redis_tasks;
mod session_store;
mod support;
