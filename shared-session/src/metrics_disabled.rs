//! Without the feature `metrics`, nothing is reported and nothing is measured: the same functions as in `metrics.rs`, empty.

use crate::backend::BackendError;

pub(crate) struct Operation;

impl Operation {
    pub fn begin(_system: &'static str, _name: &'static str) -> Self {
        Self
    }

    pub fn end<T>(self, _result: Option<&Result<T, BackendError>>) {}
}

pub(crate) fn describe() {}

pub(crate) fn session_created() {}

pub(crate) fn session_renewed() {}

pub(crate) fn session_destroyed() {}

pub(crate) fn session_revoked() {}

pub(crate) fn compare_and_set_failed() {}

pub(crate) fn request_refused(_status: u16) {}

pub(crate) fn record_written(_size: usize) {}

pub(crate) fn circuit_is_open(_open: bool) {}
