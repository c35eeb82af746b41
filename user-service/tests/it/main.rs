//! The tests of this crate: one program, because each further one takes long to link.

#![allow(clippy::unwrap_used)]

mod accounts;
mod audit;
mod commands;
mod pages;
mod process;
mod program;
