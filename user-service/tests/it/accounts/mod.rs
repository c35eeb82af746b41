//! Tests accounts and devices through browsers: on one process with its sessions in memory, and on two processes that
//! share a Redis.

mod delete;
mod hang_up;
mod login;
mod logout;
mod password;
mod races;
mod register;
mod reset;
mod sessions;
pub mod support;
mod unavailable_store;
