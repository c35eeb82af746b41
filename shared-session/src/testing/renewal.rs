//! Promise 3: renewal loses nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::faults::{Fault, Faulty};
use super::{TestBed, commit, create, destroy, fields, key, load, pass, renew, set, store, store_over, visible};
use crate::error::Error;

/// The renewed session holds everything, and the old id is dead at once in every service.
pub async fn a_renewed_session_is_whole(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1"), ("b", "2")]).await;
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[("b", "3")])).await.unwrap().unwrap();
    assert_ne!(new, old);
    assert!(load(&other, &old).await.is_none(), "the old id is alive");
    assert!(load(&other, &old).await.is_none(), "the old id is alive");
    assert_eq!(visible(&other, &new).await, fields(&[("a", "1"), ("b", "3")]));
}

/// What another service commits while the renewal is under way is in the renewed session.
pub async fn a_change_during_renewal_is_kept(bed: &dyn TestBed) {
    for _ in 0..10 {
        let (one, other) = (store(bed), store(bed));
        let old = create(&one, &[("a", "1")]).await;
        let session = load(&one, &old).await.unwrap();
        let mut requests = JoinSet::new();
        for number in 0..8 {
            let (other, session) = (other.clone(), load(&other, &old).await.unwrap());
            requests.spawn(async move { commit(&other, session, &set(&[(&format!("field{number}"), "1")])).await });
        }
        let new = renew(&one, session, &set(&[("renewed", "1")])).await.unwrap().unwrap();
        let results = requests.join_all().await;
        let stored = results.iter().filter(|result| result.is_ok()).count();
        let held = visible(&other, &new).await.unwrap().len();
        assert_eq!(held, 2 + stored, "a change was lost in a renewal");
        for result in results.into_iter().filter(Result::is_err) {
            // without a tombstone one that comes too late is told so
            let told = matches!(result, Err(Error::Ended));
            assert!(told && !bed.format().has_tombstones(), "{result:?}");
        }
        assert!(load(&other, &old).await.is_none());
    }
}

/// What a request under way commits after the renewal follows, where the format can tell it the way, for 30 seconds.
pub async fn late_changes_follow(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let (late, later, last) = (
        load(&other, &old).await.unwrap(),
        load(&other, &old).await.unwrap(),
        load(&other, &old).await.unwrap(),
    );
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[])).await.unwrap().unwrap();
    if !bed.format().has_tombstones() {
        assert!(matches!(
            commit(&other, late, &set(&[("late", "1")])).await,
            Err(Error::Ended)
        ));
        return;
    }
    commit(&other, late, &set(&[("late", "1")])).await.unwrap();
    let session = load(&one, &new).await.unwrap();
    let newest = renew(&one, session, &set(&[])).await.unwrap().unwrap();
    commit(&other, later, &set(&[("later", "1")])).await.unwrap();
    let expected = fields(&[("a", "1"), ("late", "1"), ("later", "1")]);
    assert_eq!(visible(&other, &newest).await, expected);

    pass(bed, Duration::from_secs(29)).await;
    assert!(load(&one, &old).await.is_none());
    pass(bed, Duration::from_secs(1)).await;
    let gone = commit(&other, last, &set(&[("last", "1")])).await;
    assert!(
        matches!(gone, Err(Error::Ended)),
        "a tombstone was followed after its time"
    );
    let left = bed
        .backend()
        .load(key(bed, &old).as_str(), Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(left, None, "a load kept a tombstone in the store");
    assert_eq!(visible(&other, &newest).await, expected);
}

/// Of many renewals at once one gives out an id, and the changes of all are under it.
pub async fn one_of_many_renewals_wins(bed: &dyn TestBed) {
    let old = create(&store(bed), &[("a", "1")]).await;
    let mut loaded = Vec::new();
    for _ in 0..100 {
        loaded.push(load(&store(bed), &old).await.unwrap());
    }
    let mut requests = JoinSet::new();
    for (number, session) in loaded.into_iter().enumerate() {
        let service = store(bed);
        requests.spawn(async move { renew(&service, session, &set(&[(&format!("field{number}"), "1")])).await });
    }
    let results = requests.join_all().await;
    let service = store(bed);
    let mut live = Vec::new();
    for id in results.iter().flatten().flatten() {
        live.extend(visible(&service, id).await);
    }
    assert_eq!(live.len(), 1, "{} sessions live after 100 renewals of one", live.len());
    let stored = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(
        live[0].len(),
        1 + stored,
        "a change that was answered as done is not there"
    );
    if bed.format().has_tombstones() {
        assert_eq!(stored, 100);
    }
    assert!(load(&service, &old).await.is_none());
}

/// A log-out with the old id, under way when the session was renewed, ends the renewed session.
pub async fn destruction_ends_a_renewed_session(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // nothing tells the request where the session went
    }
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1")]).await;
    let destroyer = load(&other, &old).await.unwrap();
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[])).await.unwrap().unwrap();
    let late = load(&one, &new).await.unwrap();
    destroy(&other, destroyer).await;
    assert!(
        load(&one, &new).await.is_none(),
        "a renewed session survived its log-out"
    );
    assert!(matches!(
        commit(&one, late, &set(&[("b", "1")])).await,
        Err(Error::Ended)
    ));
}

/// Whichever step of a renewal fails, before or after it was taken, the session is under the old id or the new one.
pub async fn failure_midway_leaves_a_session(bed: &dyn TestBed) {
    if !bed.format().has_tombstones() {
        return; // an old record that is gone may as well have been destroyed: it is not brought back
    }
    for step in 1..=2 {
        for fault in [Fault::Before(step), Fault::After(step)] {
            let old = create(&store(bed), &[("a", "1")]).await;
            let service = store(bed);
            let session = load(&service, &old).await.unwrap();
            let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
            match renew(&faulty, session, &set(&[("b", "1")])).await {
                Ok(new) => assert!(load(&service, &new.unwrap()).await.is_some(), "{fault:?}"),
                Err(error) => {
                    assert!(matches!(error, Error::Unavailable(_)), "{fault:?}: {error}");
                    wait_for(&service, &old, fault).await;
                }
            }
        }
    }
}

/// Waits for the session to be back under its old id: an unfinished renewal is settled in the background.
async fn wait_for(service: &crate::store::Store, old: &crate::session::id::SessionId, fault: Fault) {
    for _ in 0..200 {
        if load(service, old).await.is_some() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{fault:?} in a renewal lost the session");
}
