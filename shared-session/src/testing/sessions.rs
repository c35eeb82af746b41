//! The promises about sessions: updates, destruction, expiry, ids, unreadable records, counted work.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::faults::{Fault, Faulty};
use super::{
    LIFETIME, TTL, TestBed, commit, create, destroy, fields, key, load, pass, removing, renew, set, store, store_over,
    visible,
};
use crate::error::Error;
use crate::session::fields::RESERVED;

/// 1: many requests at once in two services, each with a field of its own.
pub async fn disjoint_changes_all_take_effect(bed: &dyn TestBed) {
    for _ in 0..5 {
        let services = [store(bed), store(bed)];
        let id = create(&services[0], &[("first", "0")]).await;
        let mut loaded = Vec::new();
        for _ in 0..60 {
            loaded.push(load(&services[0], &id).await.unwrap());
        }
        let mut requests = JoinSet::new();
        for number in 0..60 {
            let (service, session) = (services[number % 2].clone(), loaded.pop().unwrap());
            let change = set(&[(&format!("field{number}"), "1")]);
            requests.spawn(async move { commit(&service, session, &change).await.unwrap() });
        }
        requests.join_all().await;
        let found = visible(&services[1], &id).await.unwrap().len();
        assert_eq!(found, 61, "{} of 61 updates were lost", 61 - found);
    }
}

/// 1: requests that remove and requests that add, at once.
pub async fn removals_and_additions_do_not_meet(bed: &dyn TestBed) {
    let service = store(bed);
    let names: Vec<String> = (0..20).map(|number| format!("old{number:02}")).collect();
    let old: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let id = create(&service, &old).await;
    let mut changes = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let (removes, adds) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
        let removal = removing(&removes, &[name]);
        changes.extend([(removes, removal), (adds, set(&[(&format!("new{number:02}"), "1")]))]);
    }
    // all of them are loaded before the first is committed, so that each finds what the others did
    let mut requests = JoinSet::new();
    for (session, change) in changes {
        let service = store(bed);
        requests.spawn(async move { commit(&service, session, &change).await.unwrap() });
    }
    requests.join_all().await;
    let expected: Vec<(String, String)> = (0..20)
        .map(|number| (format!("new{number:02}"), "1".to_owned()))
        .collect();
    assert_eq!(visible(&service, &id).await, Some(expected));
}

/// 1: what one request removed, another that merely read it does not bring back.
pub async fn reading_brings_nothing_back(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let id = create(&one, &[("cart", "[1]"), ("name", "\"kky\"")]).await;
    let reader = load(&other, &id).await.unwrap();
    let remover = load(&one, &id).await.unwrap();
    let change = removing(&remover, &["cart"]);
    commit(&one, remover, &change).await.unwrap();
    commit(&other, reader, &set(&[("seen", "true")])).await.unwrap();
    assert_eq!(
        visible(&one, &id).await,
        fields(&[("name", "\"kky\""), ("seen", "true")])
    );
}

/// 1: for one field the last one wins, without an error.
pub async fn one_field_has_the_last_value(bed: &dyn TestBed) {
    let services = [store(bed), store(bed)];
    let id = create(&services[0], &[("field", "-1")]).await;
    let mut requests = JoinSet::new();
    for number in 0..60 {
        let (service, id) = (services[number % 2].clone(), id.clone());
        requests.spawn(async move {
            let session = load(&service, &id).await.unwrap();
            commit(&service, session, &set(&[("field", &number.to_string())]))
                .await
                .unwrap();
        });
    }
    requests.join_all().await;
    let session = load(&services[0], &id).await.unwrap();
    commit(&services[1], session, &set(&[("field", "\"last\"")]))
        .await
        .unwrap();
    assert_eq!(visible(&services[0], &id).await, fields(&[("field", "\"last\"")]));
}

/// 2: what is under way when a session is destroyed does not bring it back.
pub async fn destruction_is_final(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let id = create(&one, &[("userid", "\"kky\"")]).await;
    let (writer, renewer) = (load(&other, &id).await.unwrap(), load(&other, &id).await.unwrap());
    let again = load(&one, &id).await.unwrap();
    destroy(&one, load(&one, &id).await.unwrap()).await;
    assert!(load(&other, &id).await.is_none(), "a destroyed session was loaded");
    let change = set(&[("late", "1")]);
    assert!(matches!(commit(&other, writer, &change).await, Err(Error::Ended)));
    assert!(matches!(renew(&other, renewer, &change).await, Err(Error::Ended)));
    destroy(&one, again).await;
    assert!(load(&other, &id).await.is_none(), "a destroyed session came back");
}

/// 2: a log-out among many changes and renewals leaves no session, under any id.
pub async fn destruction_wins_every_race(bed: &dyn TestBed) {
    for _ in 0..20 {
        let destroyer = store(bed);
        let old = create(&destroyer, &[("userid", "\"kky\"")]).await;
        let doomed = load(&destroyer, &old).await.unwrap();
        let mut loaded = Vec::new();
        for _ in 0..12 {
            loaded.push(load(&destroyer, &old).await.unwrap());
        }
        let mut requests = JoinSet::new();
        for (number, session) in loaded.into_iter().enumerate() {
            let service = store(bed);
            // without tombstones a log-out with the old id cannot know where the session went
            let renews = number % 3 == 0 && bed.format().has_tombstones();
            requests.spawn(async move {
                let change = set(&[(&format!("field{number}"), "1")]);
                if renews {
                    return renew(&service, session, &change).await;
                }
                commit(&service, session, &change).await.map(|()| None)
            });
        }
        destroy(&destroyer, doomed).await;
        let results = requests.join_all().await;
        assert!(
            load(&destroyer, &old).await.is_none(),
            "a change brought a session back after its log-out"
        );
        for id in results.into_iter().flatten().flatten() {
            assert!(
                load(&destroyer, &id).await.is_none(),
                "a renewal brought a session back after its log-out"
            );
        }
    }
}

/// 2: the same when a session expires meanwhile.
pub async fn expiry_is_final(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let id = create(&one, &[("userid", "\"kky\"")]).await;
    let (writer, renewer) = (load(&other, &id).await.unwrap(), load(&other, &id).await.unwrap());
    pass(bed, TTL).await;
    let change = set(&[("late", "1")]);
    assert!(matches!(commit(&other, writer, &change).await, Err(Error::Ended)));
    assert!(matches!(renew(&other, renewer, &change).await, Err(Error::Ended)));
    assert!(load(&one, &id).await.is_none());
}

/// 7: idle time slides with every request; the lifetime does not, and a renewal does not begin it anew.
pub async fn both_clocks_end_a_session(bed: &dyn TestBed) {
    let service = store(bed);
    let idle = create(&service, &[("a", "1")]).await;
    pass(bed, TTL).await;
    assert!(load(&service, &idle).await.is_none(), "an idle session lives");
    let mut visited = create(&service, &[("a", "1")]).await;
    let step = TTL - Duration::from_secs(60);
    let mut passed = Duration::ZERO;
    for _ in 0..2 {
        pass(bed, step).await;
        passed += step;
        assert!(
            load(&service, &visited).await.is_some(),
            "a visit did not begin the idle time anew"
        );
    }
    while passed + step < LIFETIME {
        pass(bed, step).await;
        passed += step;
        let session = load(&service, &visited).await.expect("a session in use expired");
        visited = renew(&service, session, &set(&[])).await.unwrap().unwrap();
    }
    let late = load(&service, &visited).await.unwrap();
    pass(bed, LIFETIME - passed).await;
    assert!(
        load(&service, &visited).await.is_none(),
        "a session outlives its lifetime"
    );
    assert!(matches!(
        commit(&service, late, &set(&[("b", "1")])).await,
        Err(Error::Ended)
    ));
}

/// 4: an id that the store did not issue, and one of another prefix, is no session.
pub async fn foreign_ids_are_no_sessions(bed: &dyn TestBed) {
    let service = store(bed);
    let forged = crate::session::id::SessionId::generate().unwrap();
    assert!(load(&service, &forged).await.is_none());
    let foreign = bed.format().ids().key("other:", &forged);
    let backend = bed.backend();
    let record = {
        let id = create(&service, &[("a", "1")]).await;
        backend.load(key(bed, &id).as_str(), TTL).await.unwrap().unwrap()
    };
    assert!(backend.create(foreign.as_str(), &record, TTL).await.unwrap());
    assert!(
        load(&service, &forged).await.is_none(),
        "a record of another prefix was loaded"
    );
    assert_ne!(create(&service, &[("a", "1")]).await, forged);
}

/// 8: a record that cannot be read gives an error to everyone, and stays to the byte.
pub async fn unreadable_records_stay(bed: &dyn TestBed) {
    let (service, backend) = (store(bed), bed.backend());
    let id = create(&service, &[("a", "1")]).await;
    let key = key(bed, &id);
    let (writer, renewer, destroyer) = (
        load(&service, &id).await.unwrap(),
        load(&service, &id).await.unwrap(),
        load(&service, &id).await.unwrap(),
    );
    let record = backend.load(key.as_str(), TTL).await.unwrap().unwrap();
    let garbage = b"\x80\x04\x95 not a session";
    backend.replace(key.as_str(), &record, garbage, TTL).await.unwrap();

    let unreadable = |error: Error| assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    unreadable(service.load(&id, &mut service.budget()).await.unwrap_err());
    unreadable(commit(&service, writer, &set(&[("b", "1")])).await.unwrap_err());
    unreadable(renew(&service, renewer, &set(&[("b", "1")])).await.unwrap_err());
    unreadable(service.destroy(destroyer, &mut service.budget()).await.unwrap_err());
    assert_eq!(backend.load(key.as_str(), TTL).await.unwrap().unwrap(), &garbage[..]);
}

/// The session's own field is not a handler's to set, and nothing of such a change is stored.
pub async fn the_reserved_field_is_refused(bed: &dyn TestBed) {
    let service = store(bed);
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let change = set(&[("b", "1"), (RESERVED, "{}")]);
    assert!(matches!(
        commit(&service, session, &change).await,
        Err(Error::Unwritable(_))
    ));
    assert!(matches!(
        service.create(&change, &mut service.budget()).await,
        Err(Error::Unwritable(_))
    ));
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
}

/// 6: a load is one step, a change one more, a destruction one.
pub async fn steps_are_counted(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    assert_eq!(backend.steps(), 1);
    let session = load(&service, &id).await.unwrap();
    assert_eq!(backend.steps(), 2);
    commit(&service, session, &set(&[("b", "1")])).await.unwrap();
    assert_eq!(backend.steps(), 3);
    let session = load(&service, &id).await.unwrap();
    commit(&service, session, &set(&[("b", "1")])).await.unwrap();
    assert_eq!(backend.steps(), 4, "a change to what is there already was written");
    let session = load(&service, &id).await.unwrap();
    let id = renew(&service, session, &set(&[])).await.unwrap().unwrap();
    assert_eq!(backend.steps(), 7);
    let session = load(&service, &id).await.unwrap();
    destroy(&service, session).await;
    assert_eq!(backend.steps(), 9);
}
