//! Checks of promise 3, that renewal loses nothing, as far as every format keeps it.
//!
//! `renewal_in_place.rs` and `renewal_by_move.rs` check the rest.

use shared_session::Error;
use tokio::task::JoinSet;

use super::{commit, create, fields, load, renew, set, store, visible};
use crate::TestBed;

/// A renewed session holds everything that it held before, and the change of the request that renewed it.
pub async fn renewed_session_keeps_its_fields(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let old = create(&one, &[("a", "1"), ("b", "2")]).await;
    let session = load(&one, &old).await.unwrap();
    let new = renew(&one, session, &set(&[("b", "3")])).await.unwrap().unwrap();
    for service in [&one, &other] {
        assert_eq!(visible(service, &new).await, fields(&[("a", "1"), ("b", "3")]));
    }
}

/// From its renewal on, a session cannot be loaded with its old id in any service.
pub async fn old_id_is_rejected_at_once(bed: &dyn TestBed) {
    let services = [store(bed), store(bed)];
    let mut ids = vec![create(&services[0], &[("a", "1")]).await];
    for number in 0..6 {
        let service = &services[number % 2];
        let session = load(service, ids.last().unwrap()).await.unwrap();
        let new = renew(service, session, &set(&[])).await.unwrap().unwrap();
        assert!(!ids.contains(&new));
        for old in &ids {
            for service in &services {
                assert!(load(service, old).await.is_none(), "an old id opens the session");
            }
        }
        ids.push(new);
    }
    assert!(load(&services[0], ids.last().unwrap()).await.is_some());
}

/// A change that another service commits during a renewal is in the renewed session if it was not refused.
pub async fn changes_during_a_renewal_are_kept_or_refused(bed: &dyn TestBed) {
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
            let is_move = !super::renews_in_place(bed);
            assert!(is_move && matches!(result, Err(Error::Ended)), "{result:?}");
        }
        assert!(load(&other, &old).await.is_none());
    }
}

/// One of many concurrent renewals gives out an id, and the session has every change that succeeded.
pub async fn one_of_many_concurrent_renewals_gives_out_an_id(bed: &dyn TestBed) {
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
    assert_eq!(live.len(), 1, "{} ids are valid after 100 renewals", live.len());
    let stored = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(live[0].len(), 1 + stored, "a change that succeeded is lost");
    assert!(load(&service, &old).await.is_none());
}
