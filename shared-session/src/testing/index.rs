//! What a backend's indexes must hold by themselves.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{TestBed, pass, unique};

const HOUR: Duration = Duration::from_secs(3600);

fn fresh_key() -> String {
    format!("session:index:{}", unique())
}

async fn members(bed: &dyn TestBed, key: &str) -> Vec<String> {
    bed.backend().index_members(key, 0, usize::MAX).await.unwrap()
}

/// Members are there once each, those that end last first, in pages that leave none out; and what is taken out is gone.
pub async fn members_are_unique_ordered_and_paged(bed: &dyn TestBed) {
    let (backend, key, now) = (bed.backend(), fresh_key(), bed.clock().clock().now());
    assert!(members(bed, &key).await.is_empty());
    backend.index_remove(&key, "none").await.unwrap();
    for number in [3, 1, 4, 0, 2, 3] {
        let end = now + HOUR + Duration::from_millis(number);
        backend.index_add(&key, &format!("m{number}"), end, now).await.unwrap();
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
    // a member that is added again ends when it was last said to
    backend.index_add(&key, "m0", now + HOUR * 2, now).await.unwrap();
    assert_eq!(members(bed, &key).await, ["m0", "m4", "m3", "m2", "m1"]);
    backend.index_remove(&key, "m4").await.unwrap();
    backend.index_remove(&key, "m4").await.unwrap();
    assert_eq!(members(bed, &key).await, ["m0", "m3", "m2", "m1"]);
    assert!(members(bed, &fresh_key()).await.is_empty(), "indexes are one");
}

/// A member that has ended goes with the next one that comes, and an index goes with its last member.
pub async fn expired_members_are_dropped(bed: &dyn TestBed) {
    let (backend, key, now) = (bed.backend(), fresh_key(), || bed.clock().clock().now());
    for (member, hours) in [("one", 1), ("three", 3)] {
        backend
            .index_add(&key, member, now() + HOUR * hours, now())
            .await
            .unwrap();
    }
    pass(bed, HOUR).await;
    backend.index_add(&key, "two", now() + HOUR, now()).await.unwrap();
    assert_eq!(members(bed, &key).await, ["three", "two"], "an ended member stays");
    // one that ends earlier shortens no other's time
    pass(bed, HOUR * 19 / 10).await;
    assert!(members(bed, &key).await.contains(&"three".to_owned()));
    pass(bed, HOUR / 10).await;
    assert!(members(bed, &key).await.is_empty(), "an index outlives its members");
    // what has ended already is none
    backend.index_add(&key, "past", now(), now()).await.unwrap();
    assert!(members(bed, &key).await.is_empty());
}

/// Many at once are all there.
pub async fn concurrent_additions_all_take_effect(bed: &dyn TestBed) {
    let (key, now) = (fresh_key(), bed.clock().clock().now());
    let mut steps = JoinSet::new();
    for number in 0..100 {
        let (backend, key) = (bed.backend(), key.clone());
        steps.spawn(async move {
            backend
                .index_add(&key, &format!("m{number}"), now + HOUR, now)
                .await
                .unwrap();
            if number % 3 == 0 {
                backend.index_remove(&key, &format!("m{number}")).await.unwrap();
            }
        });
    }
    steps.join_all().await;
    assert_eq!(members(bed, &key).await.len(), 66);
}
