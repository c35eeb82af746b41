//! What else happens right between two steps of a request: the moments that decide, each met on purpose.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::faults::{Fault, Faulty};
use super::registry::{listed, members, registry, signed_in, somebody};
use super::{TTL, TestBed, commit, create, fields, key, load, renew, set, store, store_over, visible};
use crate::error::Error;
use crate::session::fields::Fields;
use crate::session::id::SessionId;
use crate::store::Store;
use crate::store::current_session::CurrentSession;
use crate::store::registry::Registry;

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

/// A person's session as another program writes it, which no index knows.
async fn another_programs(bed: &dyn TestBed) -> (String, SessionId) {
    let (person, id) = (somebody().0, SessionId::generate().unwrap());
    let mut record = Fields::new();
    record.set("userid", &format!("\"{person}\""));
    let (key, record) = (key(bed, &id), bed.codec().encode(&record).unwrap());
    assert!(bed.backend().create(key.as_str(), &record, TTL).await.unwrap());
    (person, id)
}

/// A renewal of a session that another program made somebody's, which failed in its last step and is put back: the index
/// knows it under the old key too.
pub async fn a_renewal_that_is_put_back_is_listed(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing is put back
    }
    let (person, id) = another_programs(bed).await;
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

/// A signed-in session whose renewal failed in its last step, which was taken: it is being put back under its old id.
async fn unfinished(bed: &dyn TestBed, id: &SessionId) {
    let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), Fault::After(4))));
    let session = load(&faulty, id).await.unwrap();
    let renewed = renew(&faulty, session, &set(&[])).await;
    assert!(matches!(renewed, Err(Error::Unavailable(_))), "{renewed:?}");
}

/// Waits until what is put back in the background is, or would be.
const SETTLED: Duration = Duration::from_secs(2);

/// While a renewal is being put back, the session is neither ended with another one nor spared when it is meant.
pub async fn a_revocation_beside_a_put_back_ends_what_is_meant(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing is put back
    }
    for others in [true, false] {
        let (service, (person, change)) = (store(bed), somebody());
        let (one, other) = (
            signed_in(&service, 0, &change).await,
            signed_in(&service, 0, &change).await,
        );
        let current = CurrentSession::of(&load(&service, &one).await.unwrap());
        let handle = load(&service, &other).await.unwrap().handle();
        unfinished(bed, &one).await;
        if others {
            assert_eq!(registry(bed).revoke_others(&person, &current).await.unwrap(), 1);
        } else {
            assert!(registry(bed).revoke(&person, &handle).await.unwrap());
        }
        sleep(SETTLED).await;
        assert!(load(&service, &other).await.is_none());
        assert!(
            load(&service, &one).await.is_some(),
            "a session that was not meant is lost"
        );
        unfinished(bed, &one).await;
        assert!(registry(bed).revoke(&person, &current.handle().unwrap()).await.unwrap());
        sleep(SETTLED).await;
        assert!(load(&service, &one).await.is_none(), "a revoked session was put back");
        assert!(listed(bed, &person, 10).await.is_empty());
    }
}

/// Nor does one come back that no index knew under its old id.
pub async fn a_revocation_beside_an_unlisted_put_back_ends_it(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing is put back
    }
    let (person, id) = another_programs(bed).await;
    unfinished(bed, &id).await;
    assert_eq!(registry(bed).revoke_all(&person).await.unwrap(), 1);
    sleep(SETTLED).await;
    assert!(load(&store(bed), &id).await.is_none(), "a revoked session was put back");
}

/// What a request commits to the renewed session while it is being put back goes with it.
pub async fn a_change_beside_a_put_back_is_kept(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing is put back
    }
    let (service, (_, change)) = (store(bed), somebody());
    let id = signed_in(&service, 0, &change).await;
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(load(&service, &id).await.unwrap());
    }
    unfinished(bed, &id).await;
    for (number, session) in late.into_iter().enumerate() {
        commit(&service, session, &set(&[(&format!("late{number}"), "1")]))
            .await
            .unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    sleep(SETTLED).await;
    let held = visible(&service, &id).await.expect("the session was not put back");
    let kept = held.iter().filter(|(name, _)| name.starts_with("late")).count();
    assert_eq!(kept, 20, "a change was lost while a renewal was put back");
}

/// A record that another program copied to another id, with the store's own field, is a session of its own.
pub async fn a_copied_session_has_a_handle_of_its_own(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    let old = signed_in(&service, 2, &change).await;
    let session = load(&service, &old).await.unwrap();
    let old = renew(&service, session, &set(&[])).await.unwrap().unwrap();
    let record = bed.backend().load(key(bed, &old).as_str(), TTL).await.unwrap().unwrap();
    let new = SessionId::generate().unwrap();
    assert!(
        bed.backend()
            .create(key(bed, &new).as_str(), &record, TTL)
            .await
            .unwrap()
    );
    let session = load(&service, &new).await.unwrap();
    commit(&service, session, &set(&[("x", "1")])).await.unwrap();
    let current = CurrentSession::of(&load(&service, &new).await.unwrap());
    assert_eq!(registry(bed).revoke_others(&person, &current).await.unwrap(), 1);
    assert!(load(&service, &new).await.is_some());
    assert!(load(&service, &old).await.is_none(), "the id that was left lives on");
}

/// A revocation that fails midway says that it is half done, and a second one does the rest.
pub async fn a_half_done_revocation_says_so(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    for _ in 0..3 {
        signed_in(&service, 0, &change).await;
    }
    // one after the other the second look, or all looks being at once the first removal
    let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), Fault::Before(5))));
    let failed = Registry::new(faulty).revoke_all(&person).await;
    assert!(matches!(failed, Err(Error::Unfinished(_))), "{failed:?}");
    let left = listed(bed, &person, 10).await.len();
    assert!((1..3).contains(&left), "{left} sessions are left");
    assert_eq!(registry(bed).revoke_all(&person).await.unwrap(), left);
}
