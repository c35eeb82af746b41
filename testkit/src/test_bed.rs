//! [`TestBed`]: what the contract suite runs on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_session::Format;
use shared_session::backend::Backend;
use shared_session::codec::Codec;

use crate::TestClock;

/// The backend, the codec and the clock that the suite runs on.
#[async_trait]
pub trait TestBed: Send + Sync {
    /// Returns the backend under test. All calls return the same records.
    fn backend(&self) -> Arc<dyn Backend>;

    /// Returns the format whose ids and keys are used.
    fn format(&self) -> Format;

    /// Returns the codec under test.
    fn codec(&self) -> Arc<dyn Codec> {
        self.format().codec()
    }

    /// Returns the clock of the sessions. The suite sets it.
    fn clock(&self) -> &TestClock;

    /// Makes every record and every member of an index older. A backend that expires them by [`TestBed::clock`] needs
    /// nothing here.
    async fn age(&self, by: Duration) {
        let _ = by;
    }
}
