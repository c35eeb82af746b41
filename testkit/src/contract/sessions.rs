//! Checks of the promises about one session: updates, destruction, expiry, ids, unreadable records, sizes, and the number of
//! operations.

use std::sync::Arc;
use std::time::Duration;

use shared_session::Error;
use shared_session::codec::Fields;
use shared_session::internals::{Loaded, RESERVED, SessionId, Store};
use tokio::task::JoinSet;

use super::registry::{listed, new_user};
use super::{
    LIFETIME, MAX_SIZE, TTL, commit, create, create_as_another_program, destroy, fields, key, lead_to, load, pass,
    record, removing, renew, renews_in_place, set, store, store_over, visible,
};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// Promise 1: many concurrent requests in two services, each with a field of its own, lose nothing.
pub async fn concurrent_changes_to_different_fields_all_take_effect(bed: &dyn TestBed) {
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
        assert_eq!(found, 61, "{} of 61 changes were lost", 61 - found);
    }
}

/// Promise 1: concurrent requests that remove fields and others that add fields lose nothing.
pub async fn concurrent_removals_and_additions_all_take_effect(bed: &dyn TestBed) {
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
    // all of them are loaded before the first commit, so that each meets the changes of the others
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

/// Promise 1: a field that one request removed is not restored by another one that read it.
pub async fn removed_field_is_not_restored_by_a_reader(bed: &dyn TestBed) {
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

/// Promise 1: for one field the last change wins, without an error.
pub async fn last_change_to_a_field_wins(bed: &dyn TestBed) {
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

/// Promise 2: requests in flight do not bring a destroyed session back.
pub async fn change_in_flight_does_not_restore_a_destroyed_session(bed: &dyn TestBed) {
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

/// Promise 2: a log-out beside many changes and renewals leaves no session, under any id.
pub async fn destroyed_session_stays_destroyed_in_every_race(bed: &dyn TestBed) {
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
            // in a format of PHP a log-out with the old id does not find the renewed session
            let renews = number % 3 == 0 && renews_in_place(bed);
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
            "a change restored a session after its log-out"
        );
        for id in results.into_iter().flatten().flatten() {
            assert!(
                load(&destroyer, &id).await.is_none(),
                "a renewal restored a session after its log-out"
            );
        }
    }
}

/// Promise 2: requests in flight do not bring an expired session back.
pub async fn change_in_flight_does_not_restore_an_expired_session(bed: &dyn TestBed) {
    let (one, other) = (store(bed), store(bed));
    let id = create(&one, &[("userid", "\"kky\"")]).await;
    let (writer, renewer) = (load(&other, &id).await.unwrap(), load(&other, &id).await.unwrap());
    pass(bed, TTL).await;
    let change = set(&[("late", "1")]);
    assert!(matches!(commit(&other, writer, &change).await, Err(Error::Ended)));
    assert!(matches!(renew(&other, renewer, &change).await, Err(Error::Ended)));
    assert!(load(&one, &id).await.is_none());
}

/// Promise 7: every request extends the idle timeout. Neither a request nor a renewal extends the absolute timeout.
pub async fn session_ends_at_its_idle_and_its_absolute_timeout(bed: &dyn TestBed) {
    let service = store(bed);
    let idle = create(&service, &[("a", "1")]).await;
    pass(bed, TTL).await;
    assert!(load(&service, &idle).await.is_none(), "an idle session is alive");
    let mut visited = create(&service, &[("a", "1")]).await;
    let step = TTL - Duration::from_secs(60);
    let mut passed = Duration::ZERO;
    for _ in 0..2 {
        pass(bed, step).await;
        passed += step;
        assert!(
            load(&service, &visited).await.is_some(),
            "a load did not extend the idle timeout"
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

/// Promise 7: a sign-in restarts the absolute timeout, also that of the same user. Nothing else does.
pub async fn sign_in_begins_the_lifetime_anew(bed: &dyn TestBed) {
    let (service, (user, sign_in)) = (store(bed), new_user());
    let id = create(&service, &[("draft", "1")]).await;
    visit(bed, &service, &id, LIFETIME - TTL / 2).await;
    let session = load(&service, &id).await.unwrap();
    commit(&service, session, &sign_in).await.unwrap();
    visit(bed, &service, &id, TTL).await;
    assert_eq!(listed(bed, &user, 10).await.len(), 1, "the index forgot the session");
    for change in [
        set(&[("a", "1")]),
        set(&[("userid", "null")]),
        set(&[("userid", "\"\"")]),
    ] {
        let session = load(&service, &id).await.unwrap();
        commit(&service, session, &change).await.unwrap();
    }
    // the same user again, after a sign-out and without one
    let mut id = id;
    for again in [false, true] {
        visit(bed, &service, &id, LIFETIME - 2 * TTL).await;
        let session = load(&service, &id).await.unwrap();
        id = renew(&service, session, &sign_in).await.unwrap().unwrap();
        visit(bed, &service, &id, LIFETIME - 2 * TTL).await;
        let session = load(&service, &id).await.unwrap();
        if again {
            id = renew(&service, session, &set(&[("b", "1")])).await.unwrap().unwrap();
        } else {
            commit(&service, session, &sign_in).await.unwrap();
        }
    }
    let created = listed(bed, &user, 10).await.remove(0).created.unwrap();
    let age = bed.clock().clock().now() - created.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(age > 4 * LIFETIME, "a sign-in changed the time of creation");
    visit(bed, &service, &id, 2 * TTL - TTL / 2).await;
    pass(bed, TTL / 2).await;
    assert!(
        load(&service, &id).await.is_none() && listed(bed, &user, 10).await.is_empty(),
        "a change or a renewal extended the lifetime"
    );
}

/// Lets time pass for a session that is in use.
async fn visit(bed: &dyn TestBed, service: &Store, id: &SessionId, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(TTL / 2);
        pass(bed, step).await;
        assert!(load(service, id).await.is_some(), "the session ended too early");
        left -= step;
    }
}

/// A load that does not extend the idle timeout is one operation, finds the same sessions, and keeps none alive.
pub async fn load_without_extending_keeps_no_session_alive(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    let step = TTL / 3;
    for _ in 0..2 {
        pass(bed, step).await;
        let operations = backend.operations();
        let loaded = service.request().load_without_extending(&id).await.unwrap();
        assert_eq!(loaded.session().unwrap().fields().get("a"), Some("1"));
        assert_eq!(backend.operations(), operations + 1);
    }
    pass(bed, TTL - 2 * step).await;
    let loaded = service.request().load_without_extending(&id).await.unwrap();
    assert!(
        loaded.session().is_none() && load(&service, &id).await.is_none(),
        "a load extended the idle timeout"
    );
    let forged = bed.format().ids().generate(false).unwrap();
    let loaded = service.request().load_without_extending(&forged).await.unwrap();
    assert!(loaded.session().is_none());
}

/// Promise 4: an id that the store did not issue, or whose record has another prefix, opens no session.
pub async fn id_that_the_store_did_not_issue_is_rejected(bed: &dyn TestBed) {
    let service = store(bed);
    let forged = bed.format().ids().generate(false).unwrap();
    assert!(load(&service, &forged).await.is_none());
    assert_ne!(create(&service, &[("a", "1")]).await, forged);
    let foreign = create(&service, &[("a", "1")]).await;
    let moved = record(bed, &foreign).await;
    destroy(&service, load(&service, &foreign).await.unwrap()).await;
    let key = bed.format().ids().key("other:", &foreign);
    assert!(bed.backend().create(key.as_str(), &moved, TTL).await.unwrap());
    assert!(
        load(&service, &foreign).await.is_none(),
        "a record with another prefix was loaded"
    );
}

/// Promise 4: an id that finds a record, and whose verifier is not the record's, opens no session.
pub async fn id_with_another_verifier_is_rejected(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return; // the key alone opens the session
    }
    let service = store(bed);
    let id = create(&service, &[("a", "1")]).await;
    let key = key(bed, &id);
    let selector = key.as_str().strip_prefix("session:").unwrap();
    let other = bed.format().ids().generate(false).unwrap();
    let forged = [selector, &other.expose()[selector.len()..]].concat();
    let forged = bed.format().ids().parse(forged.as_bytes()).unwrap();
    assert!(matches!(lead_to(&service, &forged).await, Loaded::Missing));
    // another program may have begun a session without a verifier
    let without = bed.codec().decode(record(bed, &id).await).unwrap();
    let without = removing_metadata(without);
    let (before, after) = (record(bed, &id).await, bed.codec().encode(&without).unwrap());
    bed.backend().replace(key.as_str(), &before, &after, TTL).await.unwrap();
    for id in [&id, &forged] {
        assert!(matches!(lead_to(&service, id).await, Loaded::Missing));
    }
}

fn removing_metadata(mut fields: Fields) -> Fields {
    fields.remove(RESERVED);
    fields
}

/// Promise 8: an unreadable record is an error for every request, and keeps its bytes.
pub async fn unreadable_record_is_an_error_and_stays_unchanged(bed: &dyn TestBed) {
    let (service, backend) = (store(bed), bed.backend());
    let id = create(&service, &[("a", "1")]).await;
    let key = key(bed, &id);
    let (writer, renewer, destroyer) = (
        load(&service, &id).await.unwrap(),
        load(&service, &id).await.unwrap(),
        load(&service, &id).await.unwrap(),
    );
    let record = record(bed, &id).await;
    let garbage = b"\x80\x04\x95 not a session";
    backend.replace(key.as_str(), &record, garbage, TTL).await.unwrap();

    let unreadable = |error: Error| assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    unreadable(service.request().load(&id).await.unwrap_err());
    unreadable(commit(&service, writer, &set(&[("b", "1")])).await.unwrap_err());
    unreadable(renew(&service, renewer, &set(&[("b", "1")])).await.unwrap_err());
    unreadable(service.request().destroy(destroyer).await.unwrap_err());
    assert_eq!(backend.load(key.as_str(), TTL).await.unwrap().unwrap(), &garbage[..]);
}

/// A change of the field that holds the metadata is refused, with everything else in the change.
pub async fn change_of_the_reserved_field_is_refused(bed: &dyn TestBed) {
    let service = store(bed);
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let change = set(&[("b", "1"), (RESERVED, "{}")]);
    assert!(matches!(
        commit(&service, session, &change).await,
        Err(Error::Unwritable(_))
    ));
    assert!(matches!(
        service.request().create(&change).await,
        Err(Error::Unwritable(_))
    ));
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
}

/// A change that would enlarge the record beyond the maximum size is refused, and nothing of it is stored.
pub async fn change_beyond_the_maximum_size_is_refused(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let text = |size: usize| format!("\"{}\"", "x".repeat(size));
    let id = create(&service, &[("a", &text(MAX_SIZE - 1000))]).await;
    let before = record(bed, &id).await;
    let operations = backend.operations();
    let too_large = set(&[("b", &text(1000)), ("c", "1")]);
    let created = service.request().create(&set(&[("a", &text(MAX_SIZE))])).await;
    assert_too_large(created.map(|_| ()));
    assert_eq!(backend.operations(), operations);
    let session = load(&service, &id).await.unwrap();
    assert_too_large(commit(&service, session, &too_large).await);
    let session = load(&service, &id).await.unwrap();
    assert_too_large(renew(&service, session, &too_large).await.map(|_| ()));
    // two loads, and the comparison of the record with itself that confirms the refusal
    assert_eq!(backend.operations() - operations, 3);
    assert_eq!(record(bed, &id).await, before);
    let session = load(&service, &id).await.unwrap();
    commit(&service, session, &set(&[("c", "1")])).await.unwrap();
}

/// A record beyond the maximum size, which another program wrote, can be loaded, used and shrunk, and cannot grow.
pub async fn larger_record_of_another_program_can_be_loaded_and_shrunk(bed: &dyn TestBed) {
    let service = store(bed);
    let text = format!("\"{}\"", "x".repeat(MAX_SIZE));
    let id = create_as_another_program(bed, &[("a", "1"), ("large", &text), ("small", &text)]).await;
    assert_eq!(visible(&service, &id).await.unwrap().len(), 3);
    let session = load(&service, &id).await.unwrap();
    assert_too_large(commit(&service, session, &set(&[("b", &text)])).await);
    let session = load(&service, &id).await.unwrap();
    let change = removing(&session, &["large"]);
    commit(&service, session, &change).await.unwrap();
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("small", &text)]));
    let session = load(&service, &id).await.unwrap();
    let change = removing(&session, &["small"]);
    commit(&service, session, &change).await.unwrap();
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
}

fn assert_too_large(result: Result<(), Error>) {
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
}

/// Promise 6: a load is one operation, a change is one more, and so is a log-out.
pub async fn load_commit_and_destroy_take_one_operation_each(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    assert_eq!(backend.operations(), 1);
    let session = load(&service, &id).await.unwrap();
    assert_eq!(backend.operations(), 2);
    commit(&service, session, &set(&[("b", "1")])).await.unwrap();
    assert_eq!(backend.operations(), 3);
    let session = load(&service, &id).await.unwrap();
    destroy(&service, session).await;
    assert_eq!(backend.operations(), 5);
}
