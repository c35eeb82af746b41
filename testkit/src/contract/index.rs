//! The checks of a backend's indexes.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{pass, unique};
use crate::TestBed;

const HOUR: Duration = Duration::from_secs(3600);

fn fresh_key() -> String {
    format!("session:index:{}", unique())
}

async fn members(bed: &dyn TestBed, key: &str) -> Vec<String> {
    bed.backend().index_members(key, 0, usize::MAX).await.unwrap()
}

/// An index returns each member once, the last to expire first, in pages without gaps, and no removed member.
pub async fn members_are_ordered_by_expiry(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    assert!(members(bed, &key).await.is_empty());
    backend.index_remove(&key, "none").await.unwrap();
    for number in [3, 1, 4, 0, 2, 3] {
        let left = HOUR + Duration::from_secs(60 * number);
        backend.index_add(&key, &format!("m{number}"), left).await.unwrap();
    }
    assert_eq!(members(bed, &key).await, ["m4", "m3", "m2", "m1", "m0"]);
    for (offset, limit, page) in [
        (0, 2, &["m4", "m3"][..]),
        (2, 2, &["m2", "m1"]),
        (4, 2, &["m0"]),
        (5, 2, &[]),
        (1, 0, &[]),
        (0, 0, &[]),
        (usize::MAX, usize::MAX, &[]),
    ] {
        assert_eq!(backend.index_members(&key, offset, limit).await.unwrap(), page);
    }
    // adding a member again changes its expiry
    backend.index_add(&key, "m0", HOUR * 3).await.unwrap();
    assert_eq!(members(bed, &key).await, ["m0", "m4", "m3", "m2", "m1"]);
    backend.index_remove(&key, "m4").await.unwrap();
    backend.index_remove(&key, "m4").await.unwrap();
    assert_eq!(members(bed, &key).await, ["m0", "m3", "m2", "m1"]);
    assert!(members(bed, &fresh_key()).await.is_empty(), "two indexes share members");
}

/// Adding a member removes the expired ones, and an index expires with its last member.
pub async fn members_expire(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    for (member, hours) in [("one", 1), ("three", 3)] {
        backend.index_add(&key, member, HOUR * hours).await.unwrap();
    }
    pass(bed, HOUR).await;
    backend.index_add(&key, "two", HOUR).await.unwrap();
    assert_eq!(members(bed, &key).await, ["three", "two"], "an expired member stays");
    // a member that expires earlier does not shorten the expiry of the index
    pass(bed, HOUR * 19 / 10).await;
    assert!(members(bed, &key).await.contains(&"three".to_owned()));
    pass(bed, HOUR / 10).await;
    assert!(
        members(bed, &key).await.is_empty(),
        "an index does not expire with its last member"
    );
    // a member that has already expired is not added
    backend.index_add(&key, "past", Duration::ZERO).await.unwrap();
    assert!(members(bed, &key).await.is_empty());
}

/// Adding a member again never shortens its time: the sign-in that adds it may fail, and its session then lives on.
pub async fn member_keeps_the_later_expiry(bed: &dyn TestBed) {
    let (backend, key) = (bed.backend(), fresh_key());
    for hours in [3, 1, 2] {
        backend.index_add(&key, "one", HOUR * hours).await.unwrap();
    }
    pass(bed, HOUR * 5 / 2).await;
    backend.index_add(&key, "other", HOUR).await.unwrap();
    assert!(
        members(bed, &key).await.contains(&"one".to_owned()),
        "the time was shortened"
    );
    pass(bed, HOUR / 2).await;
    backend.index_add(&key, "other", HOUR).await.unwrap();
    assert_eq!(members(bed, &key).await, ["other"]);
}

/// Concurrent additions and removals all take effect.
pub async fn concurrent_additions_and_removals_all_take_effect(bed: &dyn TestBed) {
    let key = fresh_key();
    let mut operations = JoinSet::new();
    for number in 0..100 {
        let (backend, key) = (bed.backend(), key.clone());
        operations.spawn(async move {
            backend.index_add(&key, &format!("m{number}"), HOUR).await.unwrap();
            if number % 3 == 0 {
                backend.index_remove(&key, &format!("m{number}")).await.unwrap();
            }
        });
    }
    operations.join_all().await;
    assert_eq!(members(bed, &key).await.len(), 66);
}
