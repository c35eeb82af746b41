//! Checks that a request is never cut in two: if its client leaves and its future is dropped, it still stores everything.

use std::sync::Arc;
use std::time::Duration;

use shared_session::internals;
use shared_session::internals::{Change, Loaded, SessionId, Store, Wish};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::registry::{listed, members, new_user, signed_in};
use super::{create, fields, lead_to, load, renew, renews_in_place, set, store, store_over, visible};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// More operations than any of these requests has.
const OPERATIONS: usize = 8;

/// When a request is dropped: before the operation with this number takes effect, or before its reply arrives.
#[derive(Clone, Copy, Debug)]
struct Moment {
    operation: usize,
    has_effect: bool,
}

fn moments() -> impl Iterator<Item = Moment> {
    (1..=OPERATIONS).flat_map(|operation| [false, true].map(|has_effect| Moment { operation, has_effect }))
}

/// Finishes a request and drops it at this moment. Returns `false` if it ended before.
async fn drop_request(bed: &dyn TestBed, moment: Moment, loaded: Loaded, wish: Wish, change: &Change) -> bool {
    let held = Held::new(bed, moment);
    let (request, change) = (held.store.request(), change.clone());
    held.drop(async move { request.finish(loaded, wish, change, Vec::new()).await })
        .await
}

/// A store with an operation that waits until its request was dropped.
struct Held {
    store: Store,
    backend: Arc<Faulty>,
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Held {
    fn new(bed: &dyn TestBed, moment: Moment) -> Self {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, goes) = (begun.clone(), go.clone());
        let action = async move {
            begins.notify_one();
            goes.notified().await;
        };
        let backend = Faulty::new(bed.backend(), Fault::Never);
        let backend = Arc::new(if moment.has_effect {
            backend.run_after(moment.operation, action)
        } else {
            backend.run_before(moment.operation, action)
        });
        let store = store_over(bed, backend.clone());
        Self {
            store,
            backend,
            begun,
            go,
        }
    }

    /// Runs a request, drops it, and waits until its tasks have ended. Returns `false` if it ended before.
    async fn drop<T: Send + 'static>(self, request: impl Future<Output = T> + Send + 'static) -> bool {
        let request = tokio::spawn(request);
        let begun = async {
            while timeout(Duration::from_millis(20), self.begun.notified()).await.is_err() {
                if request.is_finished() {
                    return false;
                }
            }
            true
        };
        let begun = begun.await;
        self.backend.forget_actions();
        request.abort();
        let _ = request.await;
        self.go.notify_one();
        self.store.drain().await;
        begun
    }
}

/// A change is stored.
pub async fn commit_ends_without_its_request(bed: &dyn TestBed) {
    for moment in moments() {
        let service = store(bed);
        let id = create(&service, &[("a", "1")]).await;
        let loaded = lead_to(&service, &id).await;
        let dropped = drop_request(bed, moment, loaded, Wish::Keep, &set(&[("b", "1")])).await;
        assert!(dropped || moment.operation > 1);
        assert_eq!(
            visible(&service, &id).await,
            fields(&[("a", "1"), ("b", "1")]),
            "{moment:?}"
        );
    }
}

/// The first session of a user is in the index, or nowhere.
pub async fn creation_ends_without_its_request(bed: &dyn TestBed) {
    for moment in moments() {
        let (user, sign_in) = new_user();
        let dropped = drop_request(bed, moment, Loaded::Missing, Wish::Keep, &sign_in).await;
        assert!(dropped || moment.operation > 2);
        assert_eq!(listed(bed, &user, 10).await.len(), 1, "{moment:?}");
    }
}

/// A log-out ends the session.
pub async fn log_out_ends_without_its_request(bed: &dyn TestBed) {
    for moment in moments() {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let id = signed_in(&service, 1, &sign_in).await;
        let loaded = lead_to(&service, &id).await;
        let dropped = drop_request(bed, moment, loaded, Wish::Destroy, &Change::default()).await;
        assert!(dropped || moment.operation > 2);
        assert!(load(&service, &id).await.is_none(), "{moment:?}");
        assert!(members(bed, &user).await.is_empty(), "{moment:?}");
    }
}

/// After a dropped renewal the browser has the old id. It works again, but signs nobody in.
pub async fn renewal_is_settled_without_its_request(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for moment in moments() {
        let (user, sign_in) = new_user();
        for (change, kept) in [(set(&[("b", "1")]), true), (sign_in, false)] {
            let service = store(bed);
            let old = create(&service, &[("a", "1")]).await;
            let loaded = lead_to(&service, &old).await;
            let dropped = drop_request(bed, moment, loaded, Wish::Renew, &change).await;
            assert!(dropped || moment.operation > 1);
            if dropped {
                let expected = fields(if kept { &[("a", "1"), ("b", "1")] } else { &[("a", "1")] });
                assert_eq!(visible(&service, &old).await, expected, "{moment:?}");
                assert!(listed(bed, &user, 10).await.is_empty(), "{moment:?}");
            }
        }
    }
}

/// If a sign-in is sent twice and its first request is dropped, the id of the second one works all the time.
pub async fn sign_in_without_its_request_takes_nothing_over(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (_, sign_in)) = (store(bed), new_user());
    let old = create(&service, &[("a", "1")]).await;
    let held = Held::new(
        bed,
        Moment {
            operation: 1,
            has_effect: false,
        },
    );
    let (request, loaded, change) = (held.store.request(), lead_to(&service, &old).await, sign_in.clone());
    let first = tokio::spawn(async move { request.finish(loaded, Wish::Renew, change, Vec::new()).await });
    held.begun.notified().await;
    let session = load(&service, &old).await.unwrap();
    let id = renew(&service, session, &sign_in).await.unwrap().unwrap();
    first.abort();
    let _ = first.await;
    held.go.notify_one();
    held.store.drain().await;
    assert!(load(&service, &id).await.is_some());
    // the index, and the comparison that found the other renewal
    assert_eq!(held.backend.operations(), 2);
}

/// A worker that ends takes its tasks with it. A renewal among them is settled all the same.
pub async fn renewal_is_settled_after_the_end_of_its_worker(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for has_effect in [false, true] {
        let service = store(bed);
        let old = create(&service, &[("a", "1")]).await;
        let loaded = lead_to(&service, &old).await;
        let held = Held::new(
            bed,
            Moment {
                operation: 1,
                has_effect,
            },
        );
        let (request, begun) = (held.store.request(), held.begun.clone());
        let worker = tokio::task::spawn_blocking(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                tokio::spawn(async move { request.finish(loaded, Wish::Renew, Change::default(), Vec::new()).await });
                begun.notified().await;
            });
        });
        worker.await.unwrap();
        held.store.drain().await;
        assert_eq!(visible(&service, &old).await, fields(&[("a", "1")]));
    }
}

/// In a format of PHP, a dropped renewal leaves the record under one key only.
pub async fn moved_session_is_in_one_place(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return;
    }
    for moment in moments() {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let old = signed_in(&service, 1, &sign_in).await;
        let loaded = lead_to(&service, &old).await;
        let dropped = drop_request(bed, moment, loaded, Wish::Renew, &Change::default()).await;
        assert!(dropped || moment.operation > 3);
        assert!(load(&service, &old).await.is_none(), "{moment:?}");
        assert_eq!(members(bed, &user).await.len(), 1, "{moment:?}");
    }
}

/// A revocation of all sessions ends all of them.
pub async fn revocation_ends_without_its_request(bed: &dyn TestBed) {
    for moment in moments() {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let mut ids: Vec<SessionId> = Vec::new();
        for way in 0..3 {
            ids.push(signed_in(&service, way, &sign_in).await);
        }
        let held = Held::new(bed, moment);
        let (registry, revoked) = (internals::registry(held.store.clone()), user.clone());
        let dropped = held.drop(async move { registry.revoke_all(&revoked).await }).await;
        assert!(dropped || moment.operation > 7);
        assert!(members(bed, &user).await.is_empty(), "{moment:?}");
        for id in ids {
            assert!(load(&service, &id).await.is_none());
        }
    }
}
