//! What else happens right between two steps of a request: the moments that decide, each met on purpose.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::faults::{Fault, Faulty};
use super::registry::{listed, members, registry, signed_in, somebody};
use super::{TTL, TestBed, commit, create, fields, key, load, renew, set, store, store_over, visible};
use crate::current::CurrentSession;
use crate::error::Error;
use crate::fields::Fields;
use crate::id::SessionId;
use crate::registry::Registry;
use crate::store::Store;

/// A service whose step of this number others precede with something of theirs.
fn beside(bed: &dyn TestBed, step: usize, action: impl Future<Output = ()> + Send + 'static) -> Store {
    store_over(
        bed,
        Arc::new(Faulty::new(bed.backend(), Fault::Never).meanwhile(step, action)),
    )
}

/// A member whose record is not the person's yet belongs to a sign-in under way.
pub async fn a_list_beside_a_sign_in_drops_nothing(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    let id = create(&service, &[("a", "1")]).await;
    let (registry, name) = (registry(bed), person.clone());
    // its member is added, its record is not written
    let signing_in = beside(bed, 3, async move {
        let page = registry.list(&name, &CurrentSession::default(), 0, 10).await.unwrap();
        assert!(
            page.sessions.is_empty(),
            "a session is listed before it is the person's"
        );
        assert_eq!(registry.revoke_all(&name).await.unwrap(), 0);
    });
    let session = load(&signing_in, &id).await.unwrap();
    commit(&signing_in, session, &change).await.unwrap();
    assert_eq!(
        listed(bed, &person, 10).await.len(),
        1,
        "a sign-in under way was dropped from the list"
    );
}

/// A renewal that was revoked under its new key before it was done is refused, and comes back under no key.
pub async fn a_revocation_beside_a_sign_in_ends_it(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    let id = create(&service, &[("a", "1")]).await;
    let (registry, name, other, old) = (registry(bed), person.clone(), store(bed), id.clone());
    // the copy is listed, the old record is in its place: it is changed, so that the copy must be, too
    let signing_in = beside(bed, 4, async move {
        assert_eq!(registry.revoke_all(&name).await.unwrap(), 1);
        let session = load(&other, &old).await.unwrap();
        commit(&other, session, &set(&[("b", "1")])).await.unwrap();
    });
    let session = load(&signing_in, &id).await.unwrap();
    let refused = renew(&signing_in, session, &change).await;
    assert!(matches!(refused, Err(Error::Ended)), "{refused:?}");
    assert!(members(bed, &person).await.is_empty());
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));
}

/// A session that moves to another id between the look at it and its removal is ended all the same.
pub async fn a_renewal_beside_a_revocation_is_found(bed: &dyn TestBed) {
    for step in 1..=3 {
        let (service, (person, change)) = (store(bed), somebody());
        let id = signed_in(&service, 0, &change).await;
        let session = load(&service, &id).await.unwrap();
        let (send, receive) = tokio::sync::oneshot::channel();
        // members, look, removal
        let revoking = beside(bed, step, async move {
            send.send(renew(&service, session, &set(&[])).await.unwrap().unwrap())
                .unwrap();
        });
        assert_eq!(
            Registry::new(revoking).revoke_all(&person).await.unwrap(),
            1,
            "before step {step}"
        );
        let renewed = receive.await.unwrap();
        assert!(load(&store(bed), &renewed).await.is_none(), "before step {step}");
        assert!(members(bed, &person).await.is_empty());
    }
}

/// While a session is under two keys, both are the one that the request came with.
pub async fn a_renewal_that_is_half_done_is_current(bed: &dyn TestBed) {
    for step in 2..=5 {
        let (service, (person, change)) = (store(bed), somebody());
        let id = signed_in(&service, step, &change).await;
        let current = CurrentSession::of(&load(&service, &id).await.unwrap());
        let (registry, name) = (registry(bed), person.clone());
        let renewing = beside(bed, step, async move {
            let page = registry.list(&name, &current, 0, 10).await.unwrap();
            assert!(page.sessions.iter().all(|session| session.current));
            assert_eq!(registry.revoke_others(&name, &current).await.unwrap(), 0);
        });
        let session = load(&renewing, &id).await.unwrap();
        let renewed = renew(&renewing, session, &set(&[])).await.unwrap().unwrap();
        assert!(load(&service, &renewed).await.is_some(), "before step {step}");
        assert_eq!(listed(bed, &person, 10).await.len(), 1);
    }
}

/// A member may lead to a session that is another person's by now. It is not the first one's to end.
pub async fn what_another_person_renewed_is_theirs(bed: &dyn TestBed) {
    let (service, (one, change), (other, next)) = (store(bed), somebody(), somebody());
    let id = signed_in(&service, 0, &change).await;
    // the last step, which takes the old member out, is not taken
    let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), Fault::Before(5))));
    let session = load(&faulty, &id).await.unwrap();
    let renewed = renew(&faulty, session, &next).await.unwrap().unwrap();
    assert_eq!(members(bed, &one).await.len(), 1);
    let leads_there = bed.format().has_tombstones();
    assert!(listed(bed, &one, 10).await.is_empty());
    assert_eq!(
        members(bed, &one).await.len(),
        usize::from(leads_there),
        "a tombstone's member stays"
    );
    assert_eq!(registry(bed).revoke_all(&one).await.unwrap(), 0);
    assert!(load(&service, &renewed).await.is_some());
    assert_eq!(registry(bed).revoke_all(&other).await.unwrap(), 1);
    assert!(load(&service, &renewed).await.is_none());
}

/// A renewal of a session that another program made somebody's, which failed in its last step and is put back: the index
/// knows it under the old key too.
pub async fn a_renewal_that_is_put_back_is_listed(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing is put back
    }
    let (person, id) = (somebody().0, SessionId::generate().unwrap());
    let mut record = Fields::new();
    record.set("userid", &format!("\"{person}\""));
    let (key, record) = (key(bed, &id), bed.codec().encode(&record).unwrap());
    assert!(bed.backend().create(key.as_str(), &record, TTL).await.unwrap());
    let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), Fault::After(4))));
    let session = load(&faulty, &id).await.unwrap();
    assert!(matches!(
        renew(&faulty, session, &set(&[])).await,
        Err(Error::Unavailable(_))
    ));
    let service = store(bed);
    assert!(load(&service, &id).await.is_none());
    for _ in 0..200 {
        if load(&service, &id).await.is_some() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(registry(bed).revoke_all(&person).await.unwrap(), 1);
    assert!(load(&service, &id).await.is_none());
}
