//! Checks of remembered sessions: their ids tell that they last longer, and only a sign-in changes that.
//!
//! PHP's formats remember no session: there the checks ask for the same, and find ordinary sessions.

use std::sync::Arc;
use std::time::Duration;

use shared_session::internals::{Change, CookieAction, Loaded, RESERVED, Reading, Rules, SessionId, Store, Wish};
use shared_session::{Error, Settings};
use tokio::task::JoinSet;

use super::registry::{listed, new_user, registry};
use super::{
    LIFETIME, TTL, commit, create, destroy, eventually, key, lead_to, load, pass, renew, renews_in_place, rules, set,
    store, store_over,
};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The times of a remembered session.
const REMEMBER_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const REMEMBER_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Returns the time that the record of a session has left.
async fn left(bed: &dyn TestBed, id: &SessionId) -> Duration {
    let found = bed.backend().peek(key(bed, id).as_str()).await.unwrap();
    found.expect("the record is gone").1
}

/// Asserts that the record of a session lasts as long as one that was just used, and that all show whether it is remembered.
async fn assert_class(bed: &dyn TestBed, id: &SessionId, is_remembered: bool) {
    let (idle_time, left) = (if is_remembered { REMEMBER_TTL } else { TTL }, left(bed, id).await);
    // a busy machine may have been slow in between
    assert!(
        (idle_time - Duration::from_secs(20)..=idle_time).contains(&left),
        "the record of a session, remembered: {is_remembered}, has {left:?} left"
    );
    assert_eq!(id.is_remembered(), is_remembered);
    let session = load(&store(bed), id).await.expect("the session ended");
    let metadata = session.fields().get(RESERVED).unwrap_or_default();
    assert_eq!(metadata.contains(r#""remembered":true"#), is_remembered, "{metadata}");
}

/// Ends a request that signs a user in with a renewal. Returns the new id, and how long its cookie may last.
async fn sign_in(store: &Store, id: &SessionId, change: &Change) -> (SessionId, Duration) {
    let opened = store.request().open(vec![id.clone()], Reading::Now).await.unwrap();
    finish(store, opened, Wish::Renew, change).await
}

async fn finish(
    store: &Store,
    opened: impl Into<shared_session::internals::Opened>,
    wish: Wish,
    change: &Change,
) -> (SessionId, Duration) {
    match store
        .request()
        .finish(opened, wish, change.clone(), Vec::new())
        .await
        .unwrap()
    {
        CookieAction::Issue(id, lifetime) => (id.delivered(), lifetime),
        other => panic!("no id: {other:?}"),
    }
}

/// A remembered session ends at its own idle timeout and at its own lifetime, and an ordinary one at the ordinary ones.
pub async fn remembered_session_has_its_own_idle_and_absolute_timeout(bed: &dyn TestBed) {
    let (service, can_remember) = (store(bed), renews_in_place(bed));
    let (ttl, lifetime) = if can_remember {
        (REMEMBER_TTL, REMEMBER_LIFETIME)
    } else {
        (TTL, LIFETIME)
    };
    let begin = async || {
        let (user, change) = new_user();
        let change = change.remembered();
        let (created, cookie) = finish(&service, Loaded::Missing, Wish::Keep, &change).await;
        assert_eq!(cookie, lifetime);
        assert_class(bed, &created, can_remember).await;
        (user, created)
    };
    let (_, idle) = begin().await;
    pass(bed, ttl - Duration::from_secs(60)).await;
    assert!(
        load(&service, &idle).await.is_some(),
        "it ended before its idle timeout"
    );
    pass(bed, ttl).await;
    assert!(load(&service, &idle).await.is_none(), "it outlived its idle timeout");

    let (user, used) = begin().await;
    let mut rest = lifetime - Duration::from_secs(60);
    while !rest.is_zero() {
        let step = rest.min(ttl / 2);
        pass(bed, step).await;
        assert!(load(&service, &used).await.is_some(), "it ended before its lifetime");
        rest -= step;
    }
    assert_eq!(listed(bed, &user, 10).await.len(), 1, "the index forgot it");
    pass(bed, Duration::from_secs(60)).await;
    assert!(load(&service, &used).await.is_none(), "it outlived its lifetime");
    assert!(listed(bed, &user, 10).await.is_empty());
}

/// Each sign-in that renews the session decides anew whether it is remembered. Nothing else does.
pub async fn only_a_sign_in_decides_who_is_remembered(bed: &dyn TestBed) {
    let (service, can_remember, (user, change)) = (store(bed), renews_in_place(bed), new_user());
    let mut id = create(&service, &[("a", "1")]).await;
    for wanted in [false, true, true, false, true] {
        let change = if wanted {
            change.clone().remembered()
        } else {
            change.clone()
        };
        let (signed_in, cookie) = sign_in(&service, &id, &change).await;
        let is_remembered = wanted && can_remember;
        assert_eq!(cookie, if is_remembered { REMEMBER_LIFETIME } else { LIFETIME });
        assert_class(bed, &signed_in, is_remembered).await;
        // neither a renewal, nor a change, nor a sign-in that keeps the id, whatever they ask for
        let session = load(&service, &signed_in).await.unwrap();
        id = renew(&service, session, &set(&[("b", "1")]).remembered())
            .await
            .unwrap()
            .unwrap();
        assert_class(bed, &id, is_remembered).await;
        for kept in [set(&[("c", "1")]), set(&[("c", "2")]).remembered(), change.remembered()] {
            let session = load(&service, &id).await.unwrap();
            commit(&service, session, &kept).await.unwrap();
            assert_class(bed, &id, is_remembered).await;
        }
        let info = &listed(bed, &user, 10).await[0];
        assert_eq!(info.remembered, is_remembered);
    }
}

/// A session that was shorter keeps its place in the index as long as it lives, and a shorter one is not listed for longer.
pub async fn remembered_session_is_listed_as_long_as_it_lives(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (user, change)) = (store(bed), new_user());
    let id = create(&service, &[("a", "1")]).await;
    let (id, _) = sign_in(&service, &id, &change).await;
    let (id, _) = sign_in(&service, &id, &change.clone().remembered()).await;
    for day in 1..90 {
        pass(bed, DAY).await;
        assert!(load(&service, &id).await.is_some(), "it ended on day {day}");
        assert_eq!(listed(bed, &user, 10).await.len(), 1, "it is not listed on day {day}");
    }
    let (id, _) = sign_in(&service, &id, &change).await;
    pass(bed, TTL / 2).await;
    assert!(load(&service, &id).await.is_some());
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
    pass(bed, LIFETIME).await;
    assert!(load(&service, &id).await.is_none());
    assert!(listed(bed, &user, 10).await.is_empty());
}

/// A load of either kind takes one operation. An id that has not the kind of its session takes one more, and leaves the record the
/// time that it should have: an id from before the sign-in, or one that was made up, must not shorten a remembered session.
pub async fn id_that_opens_nothing_shortens_no_remembered_session(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let (service, (_, change)) = (store_over(bed, backend.clone()), new_user());
    let before = create(&service, &[("a", "1")]).await;
    let (remembered, _) = sign_in(&service, &before, &change.clone().remembered()).await;
    let (other, _) = sign_in(
        &service,
        &create(&service, &[("a", "1")]).await,
        &change.clone().remembered(),
    )
    .await;
    let (ordinary, _) = sign_in(&service, &other, &change).await;
    for (current, is_remembered, dead) in [(&remembered, true, before), (&ordinary, false, other)] {
        let made_up = |end: &str| {
            let text = format!("{}{}{end}", &current.expose()[..20], "0".repeat(28));
            service.parse_id(text.as_bytes()).unwrap()
        };
        for (id, leads_to, operations) in [
            (current, "session", 1),
            (&dead, "superseded", 2),
            (&made_up(""), "missing", 1 + usize::from(is_remembered)),
            (&made_up("r"), "missing", 2 - usize::from(is_remembered)),
        ] {
            let before = backend.operations();
            let found = match lead_to(&service, id).await {
                Loaded::Session(_) => "session",
                Loaded::Superseded(_) => "superseded",
                Loaded::Missing | Loaded::Expired(_) => "missing",
            };
            assert_eq!(found, leads_to);
            assert_eq!(backend.operations() - before, operations, "{leads_to}");
            assert_class(bed, current, is_remembered).await;
        }
        // a load that does not extend changes neither
        for id in [current, &dead] {
            let before = backend.operations();
            service.request().load_without_extending(id).await.unwrap();
            assert_eq!(backend.operations() - before, 1);
        }
        assert_class(bed, current, is_remembered).await;
    }
}

/// If the kind of a session changes between the two operations of a load, the record gets the time of its new kind.
pub async fn sign_in_during_a_load_decides_the_time(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (_, change)) = (store(bed), new_user());
    let before = create(&service, &[("a", "1")]).await;
    let (first, _) = sign_in(&service, &before, &change.clone().remembered()).await;
    let (other, again) = (store(bed), change.clone());
    let (told, signed_in) = tokio::sync::oneshot::channel();
    let signs_in = async move {
        let (second, _) = sign_in(&other, &first, &again).await;
        told.send(second).unwrap();
    };
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never).run_before(2, signs_in));
    let loaded = lead_to(&store_over(bed, backend.clone()), &before).await;
    assert!(matches!(loaded, Loaded::Superseded(_)));
    assert_eq!(backend.operations(), 3);
    assert_class(bed, &signed_in.await.unwrap(), false).await;
}

/// A change of a request that came with the id from before the sign-in leaves the session remembered.
pub async fn change_in_flight_leaves_the_session_remembered(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (_, change)) = (store(bed), new_user());
    let before = create(&service, &[("a", "1")]).await;
    let in_flight = load(&service, &before).await.unwrap();
    let renewal = load(&service, &before).await.unwrap();
    let (id, _) = sign_in(&service, &before, &change.remembered()).await;
    commit(&service, in_flight, &set(&[("b", "1")])).await.unwrap();
    assert_class(bed, &id, true).await;
    assert!(renew(&service, renewal, &set(&[("c", "1")])).await.unwrap().is_none());
    assert_class(bed, &id, true).await;
}

/// A sign-in that takes a session over, because it was sent twice, decides by its own wish.
pub async fn sign_in_that_takes_a_session_over_decides_anew(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for wanted in [true, false] {
        let (service, (user, change)) = (store(bed), new_user());
        let (first, second) = if wanted {
            (change.clone(), change.remembered())
        } else {
            (change.clone().remembered(), change)
        };
        let before = create(&service, &[("a", "1")]).await;
        let in_flight = service
            .request()
            .open(vec![before.clone()], Reading::Now)
            .await
            .unwrap();
        sign_in(&service, &before, &first).await;
        for late in [false, true] {
            let opened = if late {
                service
                    .request()
                    .open(vec![before.clone()], Reading::Now)
                    .await
                    .unwrap()
            } else {
                in_flight.clone()
            };
            let (id, lifetime) = finish(&service, opened, Wish::Renew, &second).await;
            assert_eq!(lifetime, if wanted { REMEMBER_LIFETIME } else { LIFETIME });
            assert_class(bed, &id, wanted).await;
        }
        assert_eq!(listed(bed, &user, 10).await.len(), 1);
    }
}

/// Of concurrent sign-ins with and without the wish, the one whose id opens the session decides.
pub async fn concurrent_sign_ins_leave_one_kind(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for _ in 0..5 {
        let (service, (user, change)) = (store(bed), new_user());
        let before = create(&service, &[("a", "1")]).await;
        let mut requests = JoinSet::new();
        for number in 0..10 {
            let change = if number % 2 == 0 {
                change.clone().remembered()
            } else {
                change.clone()
            };
            let (service, before) = (store(bed), before.clone());
            requests.spawn(async move { sign_in(&service, &before, &change).await.0 });
        }
        let mut live = Vec::new();
        for id in requests.join_all().await {
            if load(&service, &id).await.is_some() {
                live.push(id);
            }
        }
        assert_eq!(live.len(), 1, "{} of the 10 ids open a session", live.len());
        assert_class(bed, &live[0], live[0].is_remembered()).await;
        assert_eq!(listed(bed, &user, 10).await[0].remembered, live[0].is_remembered());
    }
}

/// A sign-in whose reply is lost, or that never took place, leaves the session as it was: its time, and its place in the index.
pub async fn failed_sign_in_leaves_who_is_remembered(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    for was_remembered in [false, true] {
        for fault in [Fault::Before(2), Fault::After(2)] {
            let (service, (user, change)) = (store(bed), new_user());
            let (first, second) = if was_remembered {
                (change.clone().remembered(), change)
            } else {
                (change.clone(), change.remembered())
            };
            let (id, _) = finish(&service, Loaded::Missing, Wish::Keep, &first).await;
            pass(bed, Duration::from_secs(60)).await;
            let backend = Arc::new(Faulty::new(bed.backend(), fault));
            let session = load(&service, &id).await.unwrap();
            let failed = renew(&store_over(bed, backend), session, &second).await;
            assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
            eventually("a failed sign-in was not settled", async || {
                let session = load(&service, &id).await;
                let metadata = session.as_ref().and_then(|session| session.fields().get(RESERVED));
                metadata.is_some_and(|metadata| metadata.contains(r#""superseded""#))
            })
            .await;
            assert_class(bed, &id, was_remembered).await;
            assert_eq!(listed(bed, &user, 10).await[0].remembered, was_remembered);
            if was_remembered {
                pass(bed, LIFETIME + TTL).await;
                assert!(load(&service, &id).await.is_some());
                assert_eq!(listed(bed, &user, 10).await.len(), 1, "{fault:?}: the index forgot it");
            }
        }
    }
}

/// A log-out and a revocation end a remembered session, also a log-out with the id from before the sign-in.
pub async fn remembered_session_ends_at_a_log_out_and_a_revocation(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    let change = change.remembered();
    for way in 0..4 {
        let before = create(&service, &[("a", "1")]).await;
        let (id, _) = sign_in(&service, &before, &change).await;
        let in_flight = load(&service, &id).await.unwrap();
        match way {
            0 => destroy(&service, load(&service, &id).await.unwrap()).await,
            1 => match lead_to(&service, &before).await {
                Loaded::Superseded(session) => destroy(&service, *session).await,
                // PHP's formats cannot tell that an id was superseded
                _ => destroy(&service, load(&service, &id).await.unwrap()).await,
            },
            2 => assert_eq!(registry(bed).revoke_all(&user).await.unwrap(), 1),
            _ => assert!(registry(bed).revoke(&user, &in_flight.handle()).await.unwrap()),
        }
        let late = commit(&service, in_flight, &set(&[("late", "1")])).await;
        assert!(matches!(late, Err(Error::Ended)), "{late:?}");
        assert!(load(&service, &id).await.is_none());
        assert!(listed(bed, &user, 10).await.is_empty());
    }
}

/// The limit of sessions per user ends the session whose sign-in is the longest ago, also if it is remembered and lasts longer.
pub async fn limit_ends_the_oldest_session_remembered_or_not(bed: &dyn TestBed) {
    let rules = Rules {
        max_per_user: 2,
        ..rules(bed)
    };
    let limited = Store::new(bed.backend(), bed.codec(), rules, bed.clock().clock());
    let (user, change) = new_user();
    let mut ids = Vec::new();
    for wanted in [true, false, false, true, false] {
        let change = if wanted {
            change.clone().remembered()
        } else {
            change.clone()
        };
        ids.push(finish(&limited, Loaded::Missing, Wish::Keep, &change).await.0);
        let last = ids.len() - 1;
        for (number, id) in ids.iter().enumerate() {
            let is_alive = load(&limited, id).await.is_some();
            assert_eq!(is_alive, number + 2 > last, "session {number} after sign-in {last}");
        }
        pass(bed, Duration::from_secs(60)).await;
    }
    assert_eq!(listed(bed, &user, 10).await.len(), 2);
}

/// A remembered session is never shorter than an ordinary one, whatever the settings say.
pub async fn remembered_session_is_never_shorter_than_an_ordinary_one(bed: &dyn TestBed) {
    let short = Duration::from_secs(60);
    let rules = Rules {
        remember_ttl: short,
        remember_lifetime: short,
        ..rules(bed)
    };
    assert_eq!(Rules::from(&Settings::default()).remember_ttl, REMEMBER_TTL);
    let service = Store::new(bed.backend(), bed.codec(), rules, bed.clock().clock());
    let (_, change) = new_user();
    let (id, lifetime) = finish(&service, Loaded::Missing, Wish::Keep, &change.remembered()).await;
    assert_eq!(lifetime, LIFETIME);
    pass(bed, TTL - short).await;
    assert!(load(&service, &id).await.is_some());
    pass(bed, TTL + short).await;
    assert!(load(&service, &id).await.is_none());
}
