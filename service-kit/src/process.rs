//! The process: its options, its logs, and its end.

pub(crate) mod healthcheck;
pub(crate) mod log_writer;
pub(crate) mod logs;
mod options;
pub(crate) mod output;
mod shutdown;

pub use self::logs::{LogFilter, LogFilterError, LogFormat};
pub(crate) use self::options::Command;
pub use self::options::Options;
pub use self::shutdown::shutdown_signal;
