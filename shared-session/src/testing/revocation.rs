//! Promise 2, for sessions that are ended from elsewhere; and that no session is anybody's which nobody could end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::faults::{Fault, Faulty};
use super::registry::{listed, members, registry, sign_in, signed_in, somebody};
use super::{TestBed, commit, create, load, removing, renew, set, store, store_over, visible};
use crate::error::Error;
use crate::session::change::Change;
use crate::session::id::SessionId;
use crate::store::Store;
use crate::store::current_session::CurrentSession;

/// A revoked session is refused at once, also to what is under way with it, in every service.
pub async fn revocation_is_final(bed: &dyn TestBed) {
    let (one, other, (person, change)) = (store(bed), store(bed), somebody());
    let old = signed_in(&one, 2, &change).await;
    let bystander = signed_in(&one, 1, &change).await;
    let late = load(&other, &old).await.unwrap();
    let id = renew(&one, load(&one, &old).await.unwrap(), &set(&[]))
        .await
        .unwrap()
        .unwrap();
    let (writer, renewer) = (load(&other, &id).await.unwrap(), load(&other, &id).await.unwrap());
    let handle = writer.handle();
    let registry = registry(bed);
    assert!(!registry.revoke("somebody else", &handle).await.unwrap());
    assert!(load(&one, &id).await.is_some());
    assert!(registry.revoke(&person, &handle).await.unwrap());
    assert!(
        !registry.revoke(&person, &handle).await.unwrap(),
        "it was revoked twice"
    );
    for service in [&one, &other] {
        assert!(load(service, &id).await.is_none(), "a revoked session was loaded");
        assert!(load(service, &bystander).await.is_some());
    }
    let change = set(&[("late", "1")]);
    for session in [late, writer] {
        assert!(matches!(commit(&other, session, &change).await, Err(Error::Ended)));
    }
    assert!(matches!(renew(&other, renewer, &change).await, Err(Error::Ended)));
    assert!(load(&one, &id).await.is_none());
    assert_eq!(
        (listed(bed, &person, 10).await.len(), members(bed, &person).await.len()),
        (1, 1)
    );
}

/// Whatever lists and revokes beside sign-ins, every session that lives on afterwards is listed.
pub async fn no_session_lives_unlisted(bed: &dyn TestBed) {
    for _ in 0..30 {
        let (person, change) = somebody();
        let mut requests = JoinSet::new();
        for number in 0..12 {
            let (service, change) = (store(bed), change.clone());
            requests.spawn(async move {
                let id = create(&service, &[("a", "1")]).await;
                let session = load(&service, &id).await.unwrap();
                match number % 3 {
                    0 => service.create(&change, &mut service.budget()).await.map(Some),
                    1 => commit(&service, session, &change).await.map(|()| Some(id)),
                    _ => renew(&service, session, &change).await,
                }
            });
        }
        let (lists, revokes) = (registry(bed), registry(bed));
        for _ in 0..3 {
            let current = CurrentSession::default();
            let (page, ended) = tokio::join!(lists.list(&person, &current, 0, 5), revokes.revoke_all(&person));
            page.unwrap();
            ended.unwrap();
        }
        let service = store(bed);
        let mut living = Vec::new();
        for outcome in requests.join_all().await {
            match outcome {
                Ok(Some(id)) => living.extend(load(&service, &id).await.map(|session| (id, session.handle()))),
                Ok(None) => {}
                Err(error) => assert!(matches!(error, Error::Ended), "{error}"),
            }
        }
        let handles: Vec<_> = listed(bed, &person, 5)
            .await
            .into_iter()
            .map(|info| info.handle)
            .collect();
        for (_, handle) in &living {
            assert!(handles.contains(handle), "a session lives that its person cannot see");
        }
        registry(bed).revoke_all(&person).await.unwrap();
        for (id, _) in &living {
            assert!(
                load(&service, id).await.is_none(),
                "a session lives that its person cannot end"
            );
        }
    }
}

/// A session that began before is revoked, however often it is renewed meanwhile.
pub async fn renewal_is_no_escape(bed: &dyn TestBed) {
    for _ in 0..20 {
        let (person, change) = somebody();
        let mut requests = JoinSet::new();
        for number in 0..5 {
            let service = store(bed);
            let mut id = signed_in(&service, number, &change).await;
            requests.spawn(async move {
                for _ in 0..4 {
                    let Some(session) = load(&service, &id).await else {
                        break;
                    };
                    match renew(&service, session, &set(&[])).await {
                        Ok(renewed) => id = renewed.unwrap(),
                        Err(error) => assert!(matches!(error, Error::Ended), "{error}"),
                    }
                }
                id
            });
        }
        registry(bed).revoke_all(&person).await.unwrap();
        let service = store(bed);
        for id in requests.join_all().await {
            assert!(load(&service, &id).await.is_none(), "a renewal escaped a revocation");
        }
    }
}

/// All but the current session end, and that one lives on, also when it is renewed at the same time.
pub async fn the_current_session_is_kept(bed: &dyn TestBed) {
    for round in 0..30 {
        let (service, (person, change)) = (store(bed), somebody());
        let own = signed_in(&service, round, &change).await;
        let (asking, renewing) = (load(&service, &own).await.unwrap(), load(&service, &own).await.unwrap());
        let mut others = Vec::new();
        for way in 0..3 {
            others.push(signed_in(&service, way, &change).await);
        }
        let renewer = store(bed);
        let renewal = tokio::spawn(async move { renew(&renewer, renewing, &set(&[("b", "1")])).await });
        let ended = registry(bed)
            .revoke_others(&person, &CurrentSession::of(&asking))
            .await
            .unwrap();
        assert_eq!(ended, 3);
        let renewed = renewal.await.unwrap().unwrap().unwrap();
        assert!(
            load(&service, &renewed).await.is_some(),
            "the session of the request that asked was ended"
        );
        for id in others {
            assert!(load(&service, &id).await.is_none());
        }
        let current = CurrentSession::of(&asking);
        let page = registry(bed).list(&person, &current, 0, 10).await.unwrap();
        assert!(page.sessions.len() == 1 && page.sessions[0].current);
    }
    // without one, all are others
    let (service, (person, change)) = (store(bed), somebody());
    signed_in(&service, 1, &change).await;
    let none = CurrentSession::default();
    assert_eq!(registry(bed).revoke_others(&person, &none).await.unwrap(), 1);
}

/// Of many sign-ins at once on one session one is taken, and the session is that visitor's: who signs in does not follow
/// into a session whose id another request was given.
pub async fn a_sign_in_does_not_follow_a_renewal(bed: &dyn TestBed) {
    let refused = |error: &Error| match error {
        Error::Superseded => bed.format().has_tombstones(),
        Error::Ended => !bed.format().has_tombstones(),
        _ => false,
    };
    for _ in 0..5 {
        let service = store(bed);
        let old = create(&service, &[("a", "1")]).await;
        let mut loaded = Vec::new();
        for _ in 0..20 {
            loaded.push(load(&service, &old).await.unwrap());
        }
        let late = load(&service, &old).await.unwrap();
        let mut requests = JoinSet::new();
        for session in loaded {
            let (service, (person, change)) = (store(bed), somebody());
            requests.spawn(async move { (person, renew(&service, session, &change).await) });
        }
        let mut winners = Vec::new();
        for (person, outcome) in requests.join_all().await {
            match outcome {
                Ok(id) => winners.push((person, id.expect("a sign-in was stored, and its visitor has no id"))),
                Err(error) => {
                    assert!(refused(&error), "{error}");
                    assert!(listed(bed, &person, 10).await.is_empty());
                }
            }
        }
        assert_eq!(winners.len(), 1, "{} of 20 sign-ins were taken", winners.len());
        let (person, id) = winners.remove(0);
        let identity = |fields: Option<Vec<(String, String)>>| fields.unwrap().pop().unwrap().1;
        assert_eq!(identity(visible(&service, &id).await), format!("\"{person}\""));
        assert_eq!(listed(bed, &person, 10).await.len(), 1);
        // nor does a change without a renewal, when it comes late
        let error = commit(&service, late, &sign_in("mallory")).await.unwrap_err();
        assert!(refused(&error), "{error}");
        assert_eq!(identity(visible(&service, &id).await), format!("\"{person}\""));
    }
    if !bed.format().has_tombstones() {
        return;
    }
    // that somebody is signed out does follow
    let (service, (person, change)) = (store(bed), somebody());
    let old = signed_in(&service, 0, &change).await;
    let (late, session) = (load(&service, &old).await.unwrap(), load(&service, &old).await.unwrap());
    renew(&service, session, &set(&[])).await.unwrap().unwrap();
    let change = removing(&late, &["userid"]);
    commit(&service, late, &change).await.unwrap();
    assert!(listed(bed, &person, 10).await.is_empty());
}

/// One request's work on a session that exists: a sign-in, or a renewal of who is signed in.
async fn work(service: &Store, way: usize, old: &SessionId, change: &Change) -> Result<Option<SessionId>, Error> {
    let mut budget = service.budget();
    if way == 0 {
        return service.create(change, &mut budget).await.map(Some);
    }
    let session = load(service, old).await.unwrap();
    match way {
        1 => service
            .commit(session, change, &mut budget)
            .await
            .map(|()| Some(old.clone())),
        _ => service.renew(session, change, &mut budget).await,
    }
}

/// Whichever step fails, before or after it was taken, no session is anybody's that is not listed, and none is somebody's
/// under an id that it had before it was renewed for them.
pub async fn failure_midway_leaves_no_session_unlisted(bed: &dyn TestBed) {
    // (way, whether the session is somebody's already, steps with the load)
    for (way, signed_in_before, steps) in [(0, false, 2), (1, false, 3), (2, false, 4), (3, true, 5)] {
        let mut cases = JoinSet::new();
        for step in 1..=steps {
            for fault in [Fault::Before(step), Fault::After(step)] {
                let (person, change) = somebody();
                let service = store(bed);
                let first = if signed_in_before {
                    change.clone()
                } else {
                    set(&[("a", "1")])
                };
                let old = service.create(&first, &mut service.budget()).await.unwrap();
                let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
                if way > 0 && step == 1 {
                    continue; // the load
                }
                let change = if signed_in_before { set(&[("b", "1")]) } else { change };
                cases.spawn(async move {
                    let outcome = work(&faulty, way, &old, &change).await;
                    if outcome.is_err() && way > 1 {
                        sleep(Duration::from_millis(1500)).await; // an unfinished renewal is settled
                    }
                    (format!("{way}: {fault:?}"), person, old, outcome)
                });
            }
        }
        for (case, person, old, outcome) in cases.join_all().await {
            let service = store(bed);
            let renews = way > 1 && !signed_in_before;
            let ids = [Some(old), outcome.unwrap_or_default()];
            let listed = listed(bed, &person, 10).await;
            let mut living = 0;
            for (number, id) in ids.into_iter().flatten().enumerate() {
                let Some(session) = load(&service, &id).await else {
                    continue;
                };
                living += 1;
                if session.fields().get("userid").is_some() {
                    let handle = session.handle();
                    assert!(
                        listed.iter().any(|info| info.handle == handle),
                        "{case}: a session is not listed"
                    );
                    assert!(
                        !(renews && number == 0),
                        "{case}: somebody is signed in under the old id"
                    );
                }
            }
            assert!(
                living > 0 || !bed.format().has_tombstones(),
                "{case}: the session is lost"
            );
            registry(bed).revoke_all(&person).await.unwrap();
        }
    }
}
