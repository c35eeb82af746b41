#![doc = include_str!("../README.md")]
// everything here is test code, which panics if a promise is broken
#![allow(clippy::unwrap_used)]

pub mod alone;
pub mod contract;
pub mod explorer;
pub mod faulty;
pub mod servers;
mod test_bed;
mod test_clock;

pub use crate::test_bed::TestBed;
pub use crate::test_clock::TestClock;
