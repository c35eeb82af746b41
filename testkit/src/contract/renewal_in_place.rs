//! Checks of promise 3 for formats whose ids have a verifier: a renewal replaces the verifier, and nothing moves.
//!
//! For other formats these checks do nothing.

use std::sync::Arc;
use std::time::Duration;

use shared_session::Error;
use shared_session::internals::{Change, Loaded, RESERVED, SessionId, Store};
use tokio::task::JoinSet;

use super::registry::{listed, members, new_user, signed_in};
use super::{
    TTL, commit, create, destroy, eventually, fields, key, lead_to, load, pass, record, removing, renew,
    renews_in_place, set, store, store_over, visible,
};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// How long a change in flight is kept after a renewal.
const GRACE: Duration = Duration::from_secs(30);

/// Renews a session. Returns the new id.
async fn renewed(service: &Store, id: &SessionId) -> SessionId {
    let session = load(service, id).await.unwrap();
    renew(service, session, &set(&[])).await.unwrap().unwrap()
}

/// A renewal is one operation beside the load, with or without a change, signed in or not.
pub async fn renewal_takes_one_operation(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let (_, sign_in) = new_user();
    for first in [set(&[("a", "1")]), sign_in] {
        let mut id = service.request().create(&first).await.unwrap();
        for change in [set(&[]), set(&[("b", "1")])] {
            let session = load(&service, &id).await.unwrap();
            let before = backend.operations();
            id = renew(&service, session, &change).await.unwrap().unwrap();
            assert_eq!(backend.operations() - before, 1);
        }
    }
}

/// A renewal that signs a user in adds the session to the user's index, in one operation more.
pub async fn sign_in_by_renewal_takes_one_index_operation_more(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let (service, (user, sign_in)) = (store_over(bed, backend.clone()), new_user());
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let before = backend.operations();
    renew(&service, session, &sign_in).await.unwrap().unwrap();
    assert_eq!(backend.operations() - before, 2);
    assert_eq!(members(bed, &user).await.len(), 1);
}

/// A renewed session has the key, the handle and the index entry that it had before.
pub async fn key_handle_and_index_entry_stay(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (user, sign_in)) = (store(bed), new_user());
    let old = create(&service, &[("a", "1")]).await;
    let handle = load(&service, &old).await.unwrap().handle();
    let session = load(&service, &old).await.unwrap();
    let mut id = renew(&service, session, &sign_in).await.unwrap().unwrap();
    let entries = members(bed, &user).await;
    for _ in 0..3 {
        id = renewed(&service, &id).await;
        assert_eq!(key(bed, &id), key(bed, &old));
        let session = load(&service, &id).await.unwrap();
        assert_eq!(session.handle(), handle);
        assert_eq!(members(bed, &user).await, entries);
        assert_eq!(listed(bed, &user, 10).await[0].handle, handle);
    }
}

/// A record remembers every superseded id for 30 seconds, and none after that.
pub async fn record_shrinks_when_superseded_ids_are_forgotten(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let service = store(bed);
    let first = create(&service, &[("a", "1")]).await;
    let before = record(bed, &first).await.len();
    let mut id = first.clone();
    for _ in 0..20 {
        id = renewed(&service, &id).await;
    }
    assert!(matches!(lead_to(&service, &first).await, Loaded::Superseded(_)));
    pass(bed, GRACE + Duration::from_secs(1)).await;
    let session = load(&service, &id).await.unwrap();
    commit(&service, session, &set(&[("a", "2")])).await.unwrap();
    assert_eq!(record(bed, &id).await.len(), before);
}

/// Of many concurrent renewals of one session none loses its change, whichever of them gives out the new id.
pub async fn concurrent_renewals_store_every_change(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let old = create(&store(bed), &[("a", "1")]).await;
    let mut requests = JoinSet::new();
    let mut loaded = Vec::new();
    for _ in 0..20 {
        loaded.push(load(&store(bed), &old).await.unwrap());
    }
    for (number, session) in loaded.into_iter().enumerate() {
        let service = store(bed);
        requests.spawn(async move { renew(&service, session, &set(&[(&format!("field{number}"), "1")])).await });
    }
    let ids = requests.join_all().await.into_iter().map(Result::unwrap);
    let ids: Vec<SessionId> = ids.flatten().collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(visible(&store(bed), &ids[0]).await.unwrap().len(), 21);
}

/// A request that loaded the session before a renewal, or before many, can commit its change for 30 seconds.
pub async fn change_in_flight_is_kept_for_30_seconds(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let mut in_flight = Vec::new();
    for _ in 0..3 {
        in_flight.push(load(&other, &old).await.unwrap());
    }
    let id = renewed(&one, &old).await;
    commit(&other, in_flight.remove(0), &set(&[("b", "1")])).await.unwrap();
    let mut id = id;
    for _ in 0..10 {
        id = renewed(&one, &id).await;
    }
    commit(&other, in_flight.remove(0), &set(&[("c", "1")])).await.unwrap();
    pass(bed, GRACE - Duration::from_secs(1)).await;
    commit(&other, in_flight.remove(0), &set(&[("d", "1")])).await.unwrap();
    let expected = fields(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    assert_eq!(visible(&one, &id).await, expected);
}

/// More than 30 seconds after a renewal, the change of a request that loaded the session before it is refused.
pub async fn change_in_flight_is_refused_after_30_seconds(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let (committing, renewing) = (load(&other, &old).await.unwrap(), load(&other, &old).await.unwrap());
    let id = renewed(&one, &old).await;
    // the record holds whole seconds
    pass(bed, GRACE + Duration::from_secs(1)).await;
    let change = set(&[("late", "1")]);
    let committed = commit(&other, committing, &change).await;
    assert!(matches!(committed, Err(Error::Superseded)), "{committed:?}");
    let renewed = renew(&other, renewing, &change).await;
    assert!(matches!(renewed, Err(Error::Superseded)), "{renewed:?}");
    assert_eq!(visible(&one, &id).await, fields(&[("a", "1")]));
}

/// The removal of the principal field by a request that loaded the session before a renewal is kept.
pub async fn sign_out_in_flight_is_kept(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (user, sign_in)) = (store(bed), new_user());
    let old = signed_in(&service, 1, &sign_in).await;
    let session = load(&service, &old).await.unwrap();
    let id = renewed(&service, &old).await;
    let change = removing(&session, &["userid"]);
    commit(&service, session, &change).await.unwrap();
    assert!(listed(bed, &user, 10).await.is_empty());
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
}

/// A log-out by a request that loaded the session before a renewal destroys the renewed session.
pub async fn log_out_in_flight_destroys_the_renewed_session(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for passed in [Duration::ZERO, GRACE * 2] {
        let (one, other) = (store(bed), store(bed));
        let old = create(&one, &[("a", "1")]).await;
        let logging_out = load(&other, &old).await.unwrap();
        let new = renewed(&one, &old).await;
        let late = load(&one, &new).await.unwrap();
        pass(bed, passed).await;
        destroy(&other, logging_out).await;
        assert!(
            load(&one, &new).await.is_none(),
            "a renewed session survived its log-out"
        );
        let committed = commit(&one, late, &set(&[("b", "1")])).await;
        assert!(matches!(committed, Err(Error::Ended)), "{committed:?}");
    }
}

/// For 30 seconds, a request with a superseded id learns that it is superseded. It does not get the session.
pub async fn superseded_id_opens_nothing_and_is_forgotten_after_30_seconds(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let service = store(bed);
    let old = create(&service, &[("a", "1")]).await;
    let id = renewed(&service, &old).await;
    for passed in [0, 15, 14] {
        pass(bed, Duration::from_secs(passed)).await;
        let loaded = lead_to(&service, &old).await;
        assert!(matches!(loaded, Loaded::Superseded(_)), "{loaded:?}");
        assert!(loaded.session().is_none());
    }
    pass(bed, Duration::from_secs(2)).await;
    let loaded = lead_to(&service, &old).await;
    assert!(matches!(loaded, Loaded::Missing), "{loaded:?}");
    assert!(load(&service, &id).await.is_some());
}

/// A log-out that comes with an id which was superseded a short time ago destroys the session.
pub async fn log_out_with_a_superseded_id_destroys_the_session(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (one, other, (user, sign_in)) = (store(bed), store(bed), new_user());
    let old = signed_in(&one, 2, &sign_in).await;
    let mut new = renewed(&one, &old).await;
    for _ in 0..10 {
        new = renewed(&one, &new).await;
    }
    let Loaded::Superseded(session) = lead_to(&other, &old).await else {
        panic!("the id was not superseded")
    };
    destroy(&other, *session).await;
    assert!(matches!(lead_to(&one, &new).await, Loaded::Missing));
    assert!(matches!(lead_to(&one, &old).await, Loaded::Missing));
    assert!(members(bed, &user).await.is_empty());
}

/// Renews a session over a backend with a fault at the replacement. The renewal fails.
async fn fail_to_renew(bed: &dyn TestBed, fault: Fault, id: &SessionId, change: &Change) -> Arc<Faulty> {
    let backend = Arc::new(Faulty::new(bed.backend(), fault));
    let service = store_over(bed, backend.clone());
    let session = load(&store(bed), id).await.unwrap();
    let renewed = renew(&service, session, change).await;
    assert!(matches!(renewed, Err(Error::Unavailable(_))), "{fault:?}: {renewed:?}");
    backend
}

/// Waits until the background task has settled a failed renewal: the old id opens the session, and the verifier that
/// nobody was given is superseded. The session must not have been renewed before.
async fn settled(bed: &dyn TestBed, old: &SessionId) {
    eventually("a failed renewal was not settled", async || {
        let session = load(&store(bed), old).await;
        let metadata = session.as_ref().and_then(|session| session.fields().get(RESERVED));
        metadata.is_some_and(|metadata| metadata.contains(r#""superseded""#))
    })
    .await;
}

/// A renewal that fails leaves the session under its old id, whether the replacement was applied or not.
pub async fn failed_renewal_leaves_the_session_under_its_old_id(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for fault in [Fault::Before(1), Fault::After(1)] {
        let service = store(bed);
        let old = create(&service, &[("a", "1")]).await;
        let change = set(&[("b", "1")]);
        fail_to_renew(bed, fault, &old, &change).await;
        settled(bed, &old).await;
        // the change may have been stored: its request got the error that the store is unavailable
        let held = visible(&service, &old).await;
        let kept = fault == Fault::After(1);
        let expected = fields(if kept { &[("a", "1"), ("b", "1")] } else { &[("a", "1")] });
        assert_eq!(held, expected, "{fault:?}");
        let id = renewed(&service, &old).await;
        assert_eq!(visible(&service, &id).await, held);
    }
}

/// A sign-in by renewal that fails leaves nobody signed in under the old id, and the session is otherwise as it was.
pub async fn failed_sign_in_leaves_nobody_signed_in(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    // the first operation adds the session to the index
    for fault in [Fault::Before(2), Fault::After(2)] {
        let (service, (user, _)) = (store(bed), new_user());
        let old = create(&service, &[("a", "1")]).await;
        let sign_in = set(&[("userid", &format!("\"{user}\"")), ("a", "2"), ("b", "1")]);
        fail_to_renew(bed, fault, &old, &sign_in.with_device("here")).await;
        settled(bed, &old).await;
        assert_eq!(visible(&service, &old).await, fields(&[("a", "1")]), "{fault:?}");
        assert!(listed(bed, &user, 10).await.is_empty(), "{fault:?}");
    }
}

/// A sign-in by renewal that fails does not extend the lifetime of the session.
pub async fn failed_sign_in_leaves_the_lifetime_as_it_was(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for fault in [Fault::Before(2), Fault::After(2)] {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let old = signed_in(&service, 1, &sign_in).await;
        for _ in 0..23 {
            pass(bed, TTL - Duration::from_secs(10)).await;
            assert!(load(&service, &old).await.is_some(), "{fault:?}");
        }
        fail_to_renew(bed, fault, &old, &sign_in).await;
        settled(bed, &old).await;
        assert_eq!(listed(bed, &user, 10).await.len(), 1, "{fault:?}");
        pass(bed, TTL - Duration::from_secs(10)).await;
        assert!(load(&service, &old).await.is_some(), "{fault:?}");
        pass(bed, Duration::from_secs(240)).await;
        assert!(load(&service, &old).await.is_none(), "{fault:?}");
        assert!(listed(bed, &user, 10).await.is_empty(), "{fault:?}");
    }
}

/// A renewal that fails leaves its user signed in and listed.
pub async fn failed_renewal_leaves_its_user_signed_in(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for fault in [Fault::Before(1), Fault::After(1)] {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let old = signed_in(&service, 1, &sign_in.with_device("here")).await;
        let handle = load(&service, &old).await.unwrap().handle();
        fail_to_renew(bed, fault, &old, &set(&[])).await;
        settled(bed, &old).await;
        let expected = fields(&[("a", "1"), ("userid", &format!("\"{user}\""))]);
        assert_eq!(visible(&service, &old).await, expected, "{fault:?}");
        let listed = listed(bed, &user, 10).await;
        assert_eq!(listed.len(), 1, "{fault:?}");
        assert_eq!(
            (&listed[0].handle, listed[0].device.as_deref()),
            (&handle, Some("here"))
        );
    }
}

/// If a user's session fails to become another user's by renewal, it stays the first user's.
pub async fn failed_change_of_user_leaves_the_former_user_signed_in(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for fault in [Fault::Before(2), Fault::After(2)] {
        let (service, (former, sign_in), (other, next)) = (store(bed), new_user(), new_user());
        let old = signed_in(&service, 1, &sign_in).await;
        fail_to_renew(bed, fault, &old, &next).await;
        settled(bed, &old).await;
        let expected = fields(&[("a", "1"), ("userid", &format!("\"{former}\""))]);
        assert_eq!(visible(&service, &old).await, expected, "{fault:?}");
        assert_eq!(listed(bed, &former, 10).await.len(), 1, "{fault:?}");
        assert!(listed(bed, &other, 10).await.is_empty(), "{fault:?}");
    }
}

/// A renewal whose replacement reaches the backend after the background task has settled it changes nothing.
pub async fn renewal_that_is_applied_after_settling_changes_nothing(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (user, sign_in) = new_user();
    for (change, replacement) in [(set(&[("b", "1")]), 1), (sign_in, 2)] {
        let service = store(bed);
        let old = create(&service, &[("a", "1")]).await;
        let fault = Fault::Delayed(replacement);
        let backend = fail_to_renew(bed, fault, &old, &change).await;
        settled(bed, &old).await;
        let before = record(bed, &old).await;
        backend.apply_delayed().await;
        assert_eq!(record(bed, &old).await, before, "a settled renewal was applied");
        assert_eq!(visible(&service, &old).await, fields(&[("a", "1")]));
        assert!(listed(bed, &user, 10).await.is_empty());
    }
}

/// Changes that other requests commit while a failed renewal is being settled are kept.
pub async fn changes_during_settling_are_kept(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for fault in [Fault::Before(2), Fault::After(2)] {
        let (service, (_, sign_in)) = (store(bed), new_user());
        let old = create(&service, &[("a", "1")]).await;
        let mut in_flight = Vec::new();
        for _ in 0..20 {
            in_flight.push(load(&service, &old).await.unwrap());
        }
        fail_to_renew(bed, fault, &old, &sign_in).await;
        for (number, session) in in_flight.into_iter().enumerate() {
            let change = set(&[(&format!("field{number:02}"), "1")]);
            commit(&service, session, &change).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        settled(bed, &old).await;
        let held = visible(&service, &old).await.unwrap();
        assert_eq!(held.len(), 21, "{fault:?}: {held:?}");
    }
}
