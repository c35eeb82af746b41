//! The engine of shared-session for Node.js. The JavaScript in `lib/` is its only user; the package's API is there.
//!
//! No Rust thread touches memory that a JavaScript object owns: what a call needs is cloned or taken on the JavaScript thread, and
//! moved into the call's future. A worker can be terminated while its calls are in flight.

mod engine;
mod exchange;
mod failure;
mod log;
mod runtime;
