//! Checks of promise 2 for sessions that are revoked from elsewhere: every session of a user can be revoked.

use std::sync::Arc;

use shared_session::internals::{self, Change, SessionId, Store, current_session};
use shared_session::{CurrentSession, Error};
use tokio::task::JoinSet;

use super::registry::{listed, members, new_user, registry, sign_in, signed_in};
use super::{commit, create, eventually, fields, load, renew, renews_in_place, set, store, store_over, visible};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// A revoked session is rejected at once in every service, also if a request in flight has loaded it.
pub async fn revoked_session_is_rejected_by_every_service(bed: &dyn TestBed) {
    let (one, other, (user, change)) = (store(bed), store(bed), new_user());
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
    assert!(!registry.revoke("another user", &handle).await.unwrap());
    assert!(load(&one, &id).await.is_some());
    assert!(registry.revoke(&user, &handle).await.unwrap());
    assert!(
        !registry.revoke(&user, &handle).await.unwrap(),
        "a session was revoked twice"
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
        (listed(bed, &user, 10).await.len(), members(bed, &user).await.len()),
        (1, 1)
    );
}

/// Beside concurrent sign-ins, lists and revocations, every session that is alive afterwards is listed and can be revoked.
pub async fn every_live_session_is_listed_and_can_be_revoked(bed: &dyn TestBed) {
    for _ in 0..30 {
        let (user, change) = new_user();
        let mut requests = JoinSet::new();
        for number in 0..12 {
            let (service, change) = (store(bed), change.clone());
            requests.spawn(async move {
                let id = create(&service, &[("a", "1")]).await;
                let session = load(&service, &id).await.unwrap();
                match number % 3 {
                    0 => service.request().create(&change).await.map(Some),
                    1 => commit(&service, session, &change).await.map(|()| Some(id)),
                    _ => renew(&service, session, &change).await,
                }
            });
        }
        let (lists, revokes) = (registry(bed), registry(bed));
        for _ in 0..3 {
            let current = CurrentSession::default();
            let (page, ended) = tokio::join!(lists.list(&user, &current, 0, 5), revokes.revoke_all(&user));
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
        let handles: Vec<_> = listed(bed, &user, 5)
            .await
            .into_iter()
            .map(|info| info.handle)
            .collect();
        for (_, handle) in &living {
            assert!(handles.contains(handle), "a live session is not listed");
        }
        registry(bed).revoke_all(&user).await.unwrap();
        for (id, _) in &living {
            assert!(load(&service, id).await.is_none(), "a live session cannot be revoked");
        }
    }
}

/// A revocation ends every session that began before it, however often the session is renewed meanwhile.
pub async fn renewal_does_not_escape_a_revocation(bed: &dyn TestBed) {
    for _ in 0..20 {
        let (user, change) = new_user();
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
        registry(bed).revoke_all(&user).await.unwrap();
        let service = store(bed);
        for id in requests.join_all().await {
            assert!(load(&service, &id).await.is_none(), "a renewal escaped a revocation");
        }
    }
}

/// A revocation of the other sessions keeps the current one, also if a concurrent request renews it in place.
pub async fn current_session_survives_the_revocation_of_the_others(bed: &dyn TestBed) {
    for round in 0..30 {
        let (service, (user, change)) = (store(bed), new_user());
        let own = signed_in(&service, round, &change).await;
        let (asking, renewing) = (load(&service, &own).await.unwrap(), load(&service, &own).await.unwrap());
        let mut others = Vec::new();
        for way in 0..3 {
            others.push(signed_in(&service, way, &change).await);
        }
        let (renewer, in_place) = (store(bed), renews_in_place(bed));
        let request = tokio::spawn(async move {
            let change = set(&[("b", "1")]);
            if in_place {
                return renew(&renewer, renewing, &change).await;
            }
            commit(&renewer, renewing, &change).await.map(|()| None)
        });
        let current = current_session(&asking);
        let revoked = registry(bed).revoke_others(&user, &current).await.unwrap();
        assert_eq!(revoked, 3);
        let own = request.await.unwrap().unwrap().unwrap_or(own);
        assert!(load(&service, &own).await.is_some(), "the current session was revoked");
        for id in others {
            assert!(load(&service, &id).await.is_none());
        }
        let page = registry(bed).list(&user, &current, 0, 10).await.unwrap();
        assert!(page.sessions.len() == 1 && page.sessions[0].current);
    }
    // without a current session all sessions are revoked
    let (service, (user, change)) = (store(bed), new_user());
    signed_in(&service, 1, &change).await;
    let none = CurrentSession::default();
    assert_eq!(registry(bed).revoke_others(&user, &none).await.unwrap(), 1);
}

/// Of many users who sign in to one session at the same time, one gets that session, and nobody sees another's. In a format of
/// PHP, the others are refused.
pub async fn concurrent_sign_ins_of_several_users_stay_apart(bed: &dyn TestBed) {
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
            let (service, (user, change)) = (store(bed), new_user());
            requests.spawn(async move { (user, renew(&service, session, &change).await) });
        }
        let (mut with_session, mut without) = (0, 0);
        for (user, outcome) in requests.join_all().await {
            let Ok(id) = outcome else {
                assert!(
                    !renews_in_place(bed) && matches!(outcome, Err(Error::Ended)),
                    "{outcome:?}"
                );
                assert!(listed(bed, &user, 10).await.is_empty());
                continue;
            };
            let found = visible(&service, &id.expect("a sign-in has no id")).await;
            let userid = format!("\"{user}\"");
            if found == fields(&[("a", "1"), ("userid", &userid)]) {
                with_session += 1;
            } else {
                assert_eq!(found, fields(&[("userid", &userid)]));
                without += 1;
            }
            assert_eq!(listed(bed, &user, 10).await.len(), 1);
        }
        assert_eq!((with_session, without), (1, if renews_in_place(bed) { 19 } else { 0 }));
        // without a renewal, a late sign-in would make another user's session its own
        let error = commit(&service, late, &sign_in("mallory")).await.unwrap_err();
        assert!(matches!(error, Error::Superseded | Error::Ended), "{error}");
    }
}

/// Signs a user in to a session, or renews it, over a backend that may fail.
async fn attempt(service: &Store, way: Way, old: &SessionId, change: &Change) -> Result<Option<SessionId>, Error> {
    if way == Way::Create {
        return service.request().create(change).await.map(Some);
    }
    // the operations of the load are not under test
    let session = service.request().load(old).await?.session().unwrap();
    match way {
        Way::Commit => commit(service, session, change).await.map(|()| Some(old.clone())),
        _ => renew(service, session, change).await,
    }
}

/// How a session becomes a user's, or stays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Create,
    Commit,
    SignInByRenewal,
    RenewSignedIn,
}

/// Whichever operation of a sign-in or of a renewal fails, every session of a user is listed, and a sign-in by renewal that
/// fails leaves nobody signed in under the old id.
pub async fn failed_sign_in_leaves_no_session_unlisted(bed: &dyn TestBed) {
    let mut cases = JoinSet::new();
    for way in [Way::Create, Way::Commit, Way::SignInByRenewal, Way::RenewSignedIn] {
        let first = if way == Way::Create { 1 } else { 2 };
        for number in first..=5 {
            for fault in [Fault::Before(number), Fault::After(number)] {
                let (service, (user, sign_in)) = (store(bed), new_user());
                let (begin, change) = match way {
                    Way::RenewSignedIn => (sign_in, set(&[("b", "1")])),
                    _ => (set(&[("a", "1")]), sign_in),
                };
                let old = service.request().create(&begin).await.unwrap();
                let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
                let in_place = renews_in_place(bed);
                cases.spawn(async move {
                    let outcome = attempt(&faulty, way, &old, &change).await;
                    if outcome.is_err() && in_place && way != Way::Create {
                        // a background task makes the old id valid again
                        eventually("a failed sign-in lost the session", async || {
                            load(&service, &old).await.is_some()
                        })
                        .await;
                    }
                    (way, fault, user, old, outcome)
                });
            }
        }
    }
    for (way, fault, user, old, outcome) in cases.join_all().await {
        let service = store(bed);
        let ids = [Some(old.clone()), outcome.unwrap_or_default()];
        let listed = listed(bed, &user, 10).await;
        for id in ids.into_iter().flatten() {
            let Some(session) = load(&service, &id).await else {
                continue;
            };
            if session.fields().get("userid").is_some() {
                let handle = session.handle();
                let is_listed = listed.iter().any(|info| info.handle == handle);
                assert!(is_listed, "{way:?}, {fault:?}: a session is not listed");
                let is_old = way == Way::SignInByRenewal && id == old;
                assert!(!is_old, "{way:?}, {fault:?}: a user is signed in under the old id");
            }
        }
    }
}

/// A session that a request renews between the operations of a revocation is revoked.
pub async fn session_renewed_during_a_revocation_is_revoked(bed: &dyn TestBed) {
    // the members, the peek, and the removal
    for number in 1..=3 {
        let (service, (user, change)) = (store(bed), new_user());
        let id = signed_in(&service, 0, &change).await;
        let session = load(&service, &id).await.unwrap();
        let (send, receive) = tokio::sync::oneshot::channel();
        let backend = Faulty::new(bed.backend(), Fault::Never);
        let backend = backend.run_before(number, async move {
            let renewed = renew(&service, session, &set(&[])).await;
            send.send(renewed.unwrap().unwrap()).unwrap();
        });
        let revoking = internals::registry(store_over(bed, Arc::new(backend)));
        let revoked = revoking.revoke_all(&user).await.unwrap();
        assert_eq!(revoked, 1, "before operation {number}");
        let renewed = receive.await.unwrap();
        assert!(load(&store(bed), &renewed).await.is_none(), "before operation {number}");
        assert!(members(bed, &user).await.is_empty());
    }
}

/// In a format of PHP, a sign-in whose new record is revoked before the old one is removed is refused, and the new record
/// is not written again.
pub async fn revocation_during_a_sign_in_ends_the_moved_session(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return; // the record does not name the user before the renewal is done
    }
    let (service, (user, change)) = (store(bed), new_user());
    let id = create(&service, &[("a", "1")]).await;
    let (registry, name, other, old) = (registry(bed), user.clone(), store(bed), id.clone());
    let backend = Faulty::new(bed.backend(), Fault::Never);
    // the new record is listed; a change of the old one makes the sign-in write the new one again
    let backend = backend.run_before(4, async move {
        assert_eq!(registry.revoke_all(&name).await.unwrap(), 1);
        let session = load(&other, &old).await.unwrap();
        commit(&other, session, &set(&[("b", "1")])).await.unwrap();
    });
    let signing_in = store_over(bed, Arc::new(backend));
    let session = load(&signing_in, &id).await.unwrap();
    let refused = renew(&signing_in, session, &change).await;
    assert!(matches!(refused, Err(Error::Ended)), "{refused:?}");
    assert!(members(bed, &user).await.is_empty());
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));
}

/// A user who signed in to a session before cannot revoke it once it is another user's.
pub async fn session_of_another_user_is_not_revoked(bed: &dyn TestBed) {
    let (service, (former, change), (user, next)) = (store(bed), new_user(), new_user());
    let id = signed_in(&service, 0, &change).await;
    let handle = load(&service, &id).await.unwrap().handle();
    let session = load(&service, &id).await.unwrap();
    let renewed = renew(&service, session, &next).await.unwrap().unwrap();
    assert!(listed(bed, &former, 10).await.is_empty());
    assert!(!registry(bed).revoke(&former, &handle).await.unwrap());
    assert_eq!(registry(bed).revoke_all(&former).await.unwrap(), 0);
    assert!(load(&service, &renewed).await.is_some());
    assert_eq!(registry(bed).revoke_all(&user).await.unwrap(), 1);
    assert!(load(&service, &renewed).await.is_none());
}

/// A revocation that fails after some of the sessions says so, and a second one revokes the others.
pub async fn half_done_revocation_is_an_error(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    for _ in 0..3 {
        signed_in(&service, 0, &change).await;
    }
    // the second peek or the first removal, by the order in which the concurrent operations arrive
    let faulty = store_over(bed, Arc::new(Faulty::new(bed.backend(), Fault::Before(5))));
    let failed = internals::registry(faulty).revoke_all(&user).await;
    assert!(matches!(failed, Err(Error::Unfinished(_))), "{failed:?}");
    let left = listed(bed, &user, 10).await.len();
    assert!((1..3).contains(&left), "{left} sessions are left");
    assert_eq!(registry(bed).revoke_all(&user).await.unwrap(), left);
}
