//! Checks of what renewal promises in the formats of PHP, where the record moves to a new key because the key holds the id.
//!
//! For other formats these checks do nothing.

use std::sync::Arc;

use shared_session::Error;

use super::registry::{listed, members, new_user, registry, signed_in};
use super::{commit, create, destroy, fields, load, renew, renews_in_place, set, store, store_over, visible};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// A change by a request that loaded the session before it moved is refused and stored nowhere.
pub async fn change_in_flight_is_refused(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return;
    }
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let (committing, renewing) = (load(&other, &old).await.unwrap(), load(&other, &old).await.unwrap());
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[])).await.unwrap().unwrap();
    let change = set(&[("late", "1")]);
    let committed = commit(&other, committing, &change).await;
    assert!(matches!(committed, Err(Error::Ended)), "{committed:?}");
    let renewed = renew(&other, renewing, &change).await;
    assert!(matches!(renewed, Err(Error::Ended)), "{renewed:?}");
    assert_eq!(visible(&one, &new).await, fields(&[("a", "1")]));
    assert!(load(&other, &old).await.is_none());
}

/// A log-out by a request that loaded the session before it moved does not find the renewed session.
pub async fn log_out_in_flight_does_not_reach_the_renewed_session(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return;
    }
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let logging_out = load(&other, &old).await.unwrap();
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[])).await.unwrap().unwrap();
    destroy(&other, logging_out).await;
    assert!(load(&one, &new).await.is_some());
    assert!(load(&one, &old).await.is_none());
}

/// A renewed session has a new handle, and is listed once, under that one.
pub async fn renewed_session_has_a_new_handle(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return;
    }
    let (service, (user, sign_in)) = (store(bed), new_user());
    let old = signed_in(&service, 1, &sign_in).await;
    let session = load(&service, &old).await.unwrap();
    let handle = session.handle();
    let new = renew(&service, session, &set(&[])).await.unwrap().unwrap();
    let renewed = load(&service, &new).await.unwrap().handle();
    assert_ne!(renewed, handle);
    let listed = listed(bed, &user, 10).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle, renewed);
    assert!(!registry(bed).revoke(&user, &handle).await.unwrap());
}

/// A renewal that fails leaves no copy of the session, and the session under its old id unless its record was removed.
pub async fn failed_renewal_leaves_no_second_session(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return;
    }
    // the copy, the index, and the removal of the old record
    for number in 1..=3 {
        for fault in [Fault::Before(number), Fault::After(number)] {
            let (service, (user, sign_in)) = (store(bed), new_user());
            let old = create(&service, &[("a", "1")]).await;
            let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
            let session = load(&service, &old).await.unwrap();
            let renewed = renew(&faulty, session, &sign_in).await;
            assert!(matches!(renewed, Err(Error::Unavailable(_))), "{fault:?}: {renewed:?}");
            let is_removed = fault == Fault::After(3);
            let expected = if is_removed { None } else { fields(&[("a", "1")]) };
            assert_eq!(visible(&service, &old).await, expected, "{fault:?}");
            assert!(members(bed, &user).await.is_empty(), "{fault:?}");
            assert!(
                listed(bed, &user, 10).await.is_empty(),
                "{fault:?}: a copy was left behind"
            );
        }
    }
}
