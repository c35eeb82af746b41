//! The checks of a backend's records.

use std::time::Duration;

use bytes::Bytes;
use shared_session::backend::Outcome;
use tokio::task::JoinSet;

use super::{pass, unique};
use crate::TestBed;

const TTL: Duration = Duration::from_secs(100);

fn fresh_key() -> String {
    format!("session:{}", unique())
}

/// An operation changes the expected record only.
pub async fn operations_apply_to_the_expected_record_only(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    backend.check("session:check").await.unwrap();
    assert_eq!(backend.load(&key, TTL).await.unwrap(), None);
    assert_eq!(backend.replace(&key, b"", b"x", TTL).await.unwrap(), Outcome::Gone);
    assert_eq!(backend.remove(&key, b"").await.unwrap(), Outcome::Gone);
    assert!(backend.create(&key, b"one", TTL).await.unwrap());
    assert!(
        !backend.create(&key, b"two", TTL).await.unwrap(),
        "a record was created under a key that holds one"
    );
    let one = Bytes::from_static(b"one");
    assert_eq!(backend.load(&key, TTL).await.unwrap(), Some(one.clone()));
    let changed = Outcome::Changed(one);
    assert_eq!(backend.replace(&key, b"other", b"x", TTL).await.unwrap(), changed);
    assert_eq!(backend.remove(&key, b"other").await.unwrap(), changed);
    assert_eq!(
        backend.replace(&key, b"one", b"two", TTL).await.unwrap(),
        Outcome::Applied
    );
    assert_eq!(backend.load(&key, TTL).await.unwrap().unwrap(), "two");
    assert_eq!(backend.remove(&key, b"two").await.unwrap(), Outcome::Applied);
    assert_eq!(backend.load(&key, TTL).await.unwrap(), None);
}

/// A record may be any bytes, of any length, and empty.
pub async fn any_bytes_are_stored_unchanged(bed: &dyn TestBed) {
    let backend = bed.backend();
    let every: Vec<u8> = (0..=255).collect();
    for record in [&b""[..], b"\0", b"\r\n$5\r\n", &every, &every.repeat(4096)] {
        let key = fresh_key();
        assert!(backend.create(&key, record, TTL).await.unwrap());
        assert_eq!(backend.load(&key, TTL).await.unwrap().unwrap(), record);
        assert_eq!(
            backend.replace(&key, record, b"next", TTL).await.unwrap(),
            Outcome::Applied
        );
        assert_eq!(
            backend.replace(&key, b"next", record, TTL).await.unwrap(),
            Outcome::Applied
        );
        assert_eq!(backend.remove(&key, record).await.unwrap(), Outcome::Applied);
    }
}

/// A write and a load extend a record's expiry, and no operation finds an expired record.
pub async fn records_expire(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    let most = TTL * 9 / 10;
    assert!(backend.create(&key, b"one", TTL).await.unwrap());
    pass(bed, most).await;
    assert!(
        backend.load(&key, TTL).await.unwrap().is_some(),
        "a record expired early"
    );
    pass(bed, most).await;
    assert_eq!(
        backend.replace(&key, b"one", b"two", TTL).await.unwrap(),
        Outcome::Applied,
        "a load did not extend the expiry"
    );
    pass(bed, most).await;
    assert!(
        backend.load(&key, TTL).await.unwrap().is_some(),
        "a replacement did not extend the expiry"
    );
    pass(bed, TTL).await;
    assert_eq!(
        backend.replace(&key, b"two", b"three", TTL).await.unwrap(),
        Outcome::Gone,
        "an expired record was replaced"
    );
    assert_eq!(backend.remove(&key, b"two").await.unwrap(), Outcome::Gone);
    assert_eq!(backend.load(&key, TTL).await.unwrap(), None);
    assert!(
        backend.create(&key, b"one", TTL).await.unwrap(),
        "an expired record prevents a new one"
    );
}

/// A load that leaves a record no time returns it for the last time.
pub async fn a_load_without_time_ends_the_record(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    for _ in 0..20 {
        assert!(
            backend.create(&key, b"one", TTL).await.unwrap(),
            "the record is still there"
        );
        assert_eq!(backend.load(&key, Duration::ZERO).await.unwrap().unwrap(), "one");
        assert_eq!(backend.peek(&key).await.unwrap(), None, "the record is still there");
    }
}

/// A peek returns a record and the time until it expires, and does not extend that time.
pub async fn a_peek_does_not_extend_the_expiry(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    assert_eq!(backend.peek(&key).await.unwrap(), None);
    for record in [&b"one"[..], b""] {
        assert!(backend.create(&key, record, TTL).await.unwrap());
        let mut last = TTL;
        for _ in 0..3 {
            let (found, left) = backend.peek(&key).await.unwrap().unwrap();
            assert_eq!(found, record);
            // a busy machine may be slow
            assert!(left <= last && last - left < TTL / 10, "{left:?} left of {last:?}");
            pass(bed, TTL * 3 / 10).await;
            last = left.saturating_sub(TTL * 3 / 10);
        }
        pass(bed, TTL / 10).await;
        assert_eq!(backend.peek(&key).await.unwrap(), None, "a peek extended the expiry");
    }
}

/// Of concurrent replacements that expect the same record, exactly one is applied.
pub async fn one_of_many_replacements_is_applied(bed: &dyn TestBed) {
    for _ in 0..20 {
        let key = fresh_key();
        bed.backend().create(&key, b"start", TTL).await.unwrap();
        let mut replacements = JoinSet::new();
        for number in 0..16 {
            let (backend, key) = (bed.backend(), key.clone());
            replacements.spawn(async move {
                let record = format!("record {number}");
                backend.replace(&key, b"start", record.as_bytes(), TTL).await.unwrap()
            });
        }
        let outcomes = replacements.join_all().await;
        let applied = outcomes.iter().filter(|outcome| **outcome == Outcome::Applied).count();
        assert_eq!(applied, 1, "{applied} replacements of one record were applied");
    }
}
