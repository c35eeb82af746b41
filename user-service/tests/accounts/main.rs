//! Accounts and devices, as browsers see them: in one process that keeps them in memory, and in two over one Redis.

#![allow(clippy::unwrap_used)]

mod away;
mod login;
mod logout;
mod password;
mod register;
mod sessions;
mod support;
