//! The tests of this crate, except the fail-overs: one program, because each further one takes long to link.

#![allow(clippy::unwrap_used)]

mod configuration;
mod documentation;
mod pages;
mod process;
mod redis_restart;
