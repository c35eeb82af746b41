//! Checks of the limit of sessions per user (`SESSION_MAX_PER_USER`).

use std::time::Duration;

use shared_session::internals::{Change, CookieAction, Opened, Reading, Rules, SessionId, Store, Wish};
use tokio::task::JoinSet;

use super::registry::{listed, members, new_user};
use super::{create, load, pass, rules};
use crate::TestBed;

fn store_with_limit(bed: &dyn TestBed, limit: u32) -> Store {
    let rules = Rules {
        max_per_user: limit,
        ..rules(bed)
    };
    Store::new(bed.backend(), bed.codec(), rules, bed.clock().clock())
}

/// Signs a user in as a request does, in one of three ways: at once, by a change, by a renewal.
async fn sign_in(store: &Store, way: usize, change: &Change) -> SessionId {
    let (mut opened, mut old) = (Opened::default(), None);
    if !way.is_multiple_of(3) {
        let id = create(store, &[("a", "1")]).await;
        opened = store.request().open(vec![id.clone()], Reading::Now).await.unwrap();
        old = Some(id);
    }
    let wish = if way % 3 == 2 { Wish::Renew } else { Wish::Keep };
    match store
        .request()
        .finish(opened, wish, change.clone(), Vec::new())
        .await
        .unwrap()
    {
        CookieAction::Issue(id, _) => id.delivered(),
        _ => old.unwrap(),
    }
}

/// A sign-in beyond the limit ends the oldest sessions of its user, and no other.
pub async fn sign_in_beyond_the_limit_ends_the_oldest_sessions(bed: &dyn TestBed) {
    let (limited, (user, change), (other, others_change)) = (store_with_limit(bed, 3), new_user(), new_user());
    let bystander = sign_in(&limited, 0, &others_change).await;
    let mut ids = Vec::new();
    for way in 0..8 {
        ids.push(sign_in(&limited, way, &change).await);
        for (number, id) in ids.iter().enumerate() {
            let is_alive = load(&limited, id).await.is_some();
            assert_eq!(is_alive, number + 3 > way, "session {number} after sign-in {way}");
        }
        pass(bed, Duration::from_secs(60)).await;
    }
    assert_eq!(listed(bed, &user, 10).await.len(), 3);
    assert_eq!(listed(bed, &other, 10).await.len(), 1);
    // a session that ended by itself does not count
    let last = load(&limited, &ids[7]).await.unwrap();
    limited.request().destroy(last).await.unwrap();
    ids.push(sign_in(&limited, 0, &change).await);
    for number in [5, 6, 8] {
        assert!(load(&limited, &ids[number]).await.is_some(), "session {number} ended");
    }
    // members without a record do not count either
    for id in [&ids[5], &ids[6]] {
        assert!(
            bed.backend()
                .load(super::key(bed, id).as_str(), Duration::ZERO)
                .await
                .unwrap()
                .is_some()
        );
    }
    for way in 0..2 {
        ids.push(sign_in(&limited, way, &change).await);
    }
    assert_eq!(members(bed, &user).await.len(), 3);
    for id in &ids[8..] {
        assert!(
            load(&limited, id).await.is_some(),
            "one of the last three sessions ended"
        );
    }
    assert!(load(&limited, &bystander).await.is_some());
}

/// Concurrent sign-ins leave a user no more sessions than the limit. A renewal that is no sign-in ends none.
pub async fn concurrent_sign_ins_keep_the_limit(bed: &dyn TestBed) {
    for _ in 0..10 {
        let (user, change) = new_user();
        let mut requests = JoinSet::new();
        for way in 0..20 {
            let (limited, change) = (store_with_limit(bed, 4), change.clone());
            requests.spawn(async move { sign_in(&limited, way, &change).await });
        }
        let (ids, limited) = (requests.join_all().await, store_with_limit(bed, 4));
        let mut alive = Vec::new();
        for id in &ids {
            alive.extend(load(&limited, id).await);
        }
        assert!((1..=4).contains(&alive.len()), "{} sessions are alive", alive.len());
        assert_eq!(listed(bed, &user, 100).await.len(), alive.len());
    }
}

/// The session of a sign-in never ends by the limit of that sign-in, even if its entry looks older than all others.
pub async fn sign_in_keeps_its_own_session(bed: &dyn TestBed) {
    let (_, change) = new_user();
    let mut shorter = rules(bed);
    (shorter.max_per_user, shorter.lifetime) = (1, Duration::from_secs(7200));
    let shorter = Store::new(bed.backend(), bed.codec(), shorter, bed.clock().clock());
    let other = sign_in(&store_with_limit(bed, 2), 0, &change).await;
    let own = sign_in(&shorter, 0, &change).await;
    assert!(load(&shorter, &own).await.is_some(), "a sign-in ended its own session");
    assert!(load(&shorter, &other).await.is_none());
}
