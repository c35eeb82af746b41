//! Checks of the registry: the list of a user's sessions holds every session of the user once, and no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shared_session::internals::{self, Change, SessionId, Store, current_session, index_members};
use shared_session::{Clock, CurrentSession, Format, Registry, SessionInfo};
use tokio::task::JoinSet;

use super::{
    LIFETIME, TTL, commit, create, create_as_another_program, destroy, key, load, pass, record, removing, renew,
    renews_in_place, rules, set, store, store_over, unique,
};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// Returns a user whom no other check knows, and the change that signs them in.
pub(super) fn new_user() -> (String, Change) {
    let user = format!("kky {}", unique());
    let change = sign_in(&user);
    (user, change)
}

/// Returns the change that signs a user in.
pub(super) fn sign_in(user: &str) -> Change {
    set(&[("userid", &format!("\"{user}\""))])
}

/// Begins a session and signs a user in, in one of three ways: at once, by a change, by a renewal.
pub(super) async fn signed_in(service: &Store, way: usize, change: &Change) -> SessionId {
    if way.is_multiple_of(3) {
        return service.request().create(change).await.unwrap();
    }
    let id = create(service, &[("a", "1")]).await;
    let session = load(service, &id).await.unwrap();
    if way % 3 == 1 {
        commit(service, session, change).await.unwrap();
        return id;
    }
    renew(service, session, change).await.unwrap().unwrap()
}

pub(super) fn registry(bed: &dyn TestBed) -> Registry {
    internals::registry(store(bed))
}

/// Returns every session of a user, read in pages.
pub(super) async fn listed(bed: &dyn TestBed, user: &str, limit: usize) -> Vec<SessionInfo> {
    let (registry, current) = (registry(bed), CurrentSession::default());
    let (mut sessions, mut offset) = (Vec::new(), 0);
    loop {
        let page = registry.list(user, &current, offset, limit).await.unwrap();
        assert!(page.sessions.len() <= limit);
        sessions.extend(page.sessions);
        assert!(sessions.len() <= 10_000, "the list has no last page");
        let Some(next) = page.next else {
            return sessions;
        };
        assert!(next > offset, "a page is followed by an earlier one");
        offset = next;
    }
}

/// Returns the members of a user's index, also those that stand for no session.
pub(super) async fn members(bed: &dyn TestBed, user: &str) -> Vec<String> {
    index_members(&store(bed), user).await.unwrap()
}

/// A signed-in session is listed with what its user may see of it, the newest first. A session without a user is not listed.
pub async fn list_shows_devices_times_and_the_current_session(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    create(&service, &[("a", "1")]).await;
    let mut ids = Vec::new();
    let now = || SystemTime::UNIX_EPOCH + bed.clock().clock().now();
    let began = now();
    for way in 0..3 {
        let change = change.clone().with_device(&format!("device {way}"));
        ids.push(signed_in(&service, way, &change).await);
        pass(bed, Duration::from_secs(60)).await;
    }
    let own = load(&service, &ids[1]).await.unwrap();
    let current = current_session(&own);
    commit(&service, own, &set(&[("b", "1")])).await.unwrap();
    pass(bed, Duration::from_secs(60)).await;
    let page = registry(bed).list(&user, &current, 0, 10).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (3, None));
    for (number, session) in page.sessions.iter().rev().enumerate() {
        let created = session.created.unwrap();
        assert_eq!(created, began + Duration::from_secs(60) * number as u32);
        assert_eq!(session.device.as_deref(), Some(&*format!("device {number}")));
        assert_eq!(session.current, number == 1);
        assert_eq!(session.handle == current.handle().unwrap(), number == 1);
        assert!(!format!("{session:?} {current:?}").contains(ids[number].expose()));
        // session 1 was loaded a minute ago; a busy machine may have been slow in between
        let used = if number == 1 {
            now() - Duration::from_secs(60)
        } else {
            created
        };
        let late = used
            .duration_since(session.last_used)
            .unwrap_or_else(|error| error.duration());
        assert!(
            late < Duration::from_secs(20),
            "the time of the last use is {late:?} off"
        );
    }
    // a list does not extend the idle timeout
    pass(bed, TTL - Duration::from_secs(60)).await;
    assert_eq!(listed(bed, &user, 10).await.len(), 0);
}

/// Sessions that begin in the same second are listed in their order, too.
pub async fn sessions_of_one_second_have_an_order(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    for number in 0..8 {
        let change = change.clone().with_device(&format!("device {number}"));
        signed_in(&service, 0, &change).await;
        pass(bed, Duration::from_millis(100)).await;
    }
    let page = registry(bed)
        .list(&user, &CurrentSession::default(), 0, 10)
        .await
        .unwrap();
    let devices: Vec<_> = page.sessions.into_iter().filter_map(|session| session.device).collect();
    let expected: Vec<_> = (0..8).rev().map(|number| format!("device {number}")).collect();
    assert_eq!(devices, expected);
}

/// A string and a number in the principal field name a user. Any other value names none.
pub async fn user_is_a_text_or_a_number(bed: &dyn TestBed) {
    let (service, number) = (store(bed), 7_000_000 + u64::from(unique_number()));
    for value in [format!("{number}"), format!("\"{number}\""), format!("-{number}")] {
        create(&service, &[("userid", &value)]).await;
    }
    assert_eq!(listed(bed, &number.to_string(), 10).await.len(), 2);
    assert_eq!(listed(bed, &format!("-{number}"), 10).await.len(), 1);
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    for value in ["\"\"", "null", "true", "[1]", r#"{"id":1}"#] {
        let before = backend.operations();
        create(&service, &[("userid", value)]).await;
        assert_eq!(backend.operations() - before, 1, "{value} was indexed");
    }
}

/// Returns a number that other calls hardly ever return.
fn unique_number() -> u32 {
    unique()
        .bytes()
        .fold(0, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()))
}

/// 200 characters of a device are kept, and no control characters.
pub async fn device_is_cut_to_200_printable_characters(bed: &dyn TestBed) {
    let service = store(bed);
    for (sent, kept) in [
        ("브라우저 ".repeat(1000), "브라우저 ".repeat(40)),
        ("\u{1b}[2J a\r\nb\0 ".to_owned(), "[2J ab".to_owned()),
        ("\u{1b}\t\n ".to_owned(), String::new()),
    ] {
        let (user, change) = new_user();
        signed_in(&service, 1, &change.with_device(&sent)).await;
        let device = listed(bed, &user, 10).await.remove(0).device;
        assert_eq!(device.unwrap_or_default(), kept);
    }
}

/// 50 concurrent sign-ins of one user, in three ways and several services, are 50 sessions of the list.
pub async fn every_concurrent_sign_in_is_listed(bed: &dyn TestBed) {
    let (user, change) = new_user();
    let services = [store(bed), store(bed), store(bed)];
    let mut requests = JoinSet::new();
    for number in 0..50 {
        let (service, change) = (services[number % 2].clone(), change.clone());
        requests.spawn(async move { signed_in(&service, number, &change).await });
    }
    let ids = requests.join_all().await;
    let handles: HashSet<_> = listed(bed, &user, 7)
        .await
        .into_iter()
        .map(|session| session.handle)
        .collect();
    assert_eq!(
        handles.len(),
        50,
        "{} of 50 sign-ins are not listed",
        50 - handles.len()
    );
    for id in ids {
        assert!(handles.contains(&load(&services[2], &id).await.unwrap().handle()));
    }
}

/// The pages of a list hold every session once, also if a page takes several reads.
pub async fn pages_list_every_session_once(bed: &dyn TestBed) {
    page_by_page(bed, 230, 50).await;
}

/// The 10,000 sessions of a user are listed page by page, and revoked. In one format, because it takes seconds.
pub async fn ten_thousand_sessions_are_listed_and_revoked(bed: &dyn TestBed) {
    if bed.format() == Format::Json {
        page_by_page(bed, 10_000, 500).await;
    }
}

async fn page_by_page(bed: &dyn TestBed, count: usize, limit: usize) {
    let (service, (user, change)) = (store(bed), new_user());
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let (service, change) = (service.clone(), change.clone());
        requests.spawn(async move { service.request().create(&change).await.unwrap() });
        if requests.len() == 200 {
            requests.join_next().await.unwrap().unwrap();
        }
    }
    requests.join_all().await;
    let sessions = listed(bed, &user, limit).await;
    let handles: HashSet<_> = sessions.iter().map(|session| &session.handle).collect();
    assert_eq!((sessions.len(), handles.len()), (count, count));
    assert_eq!(registry(bed).revoke_all(&user).await.unwrap(), count);
    assert!(members(bed, &user).await.is_empty());
}

/// A session that was destroyed or has expired is not listed. Its member is dropped, and the sessions behind it fill the page.
pub async fn ended_sessions_leave_the_list(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    let mut ids = Vec::new();
    for _ in 0..9 {
        ids.push(signed_in(&service, 0, &change).await);
        pass(bed, Duration::from_secs(1)).await;
    }
    destroy(&service, load(&service, &ids[8]).await.unwrap()).await;
    assert_eq!(
        members(bed, &user).await.len(),
        8,
        "a log-out left its member in the index"
    );
    // records that another program removes, or that expire
    for id in &ids[5..8] {
        let (backend, key) = (bed.backend(), key(bed, id));
        let record = backend.load(key.as_str(), TTL).await.unwrap().unwrap();
        backend.remove(key.as_str(), &record).await.unwrap();
    }
    let page = registry(bed)
        .list(&user, &CurrentSession::default(), 0, 4)
        .await
        .unwrap();
    assert_eq!((page.sessions.len(), page.next), (4, Some(4)));
    assert_eq!(
        members(bed, &user).await.len(),
        5,
        "a member without a record was not dropped"
    );
    pass(bed, TTL).await;
    assert!(listed(bed, &user, 4).await.is_empty());
    assert!(members(bed, &user).await.is_empty());
    // a session in use for its whole lifetime, whose last load gave the record more time than that
    let id = signed_in(&service, 0, &change).await;
    let mut passed = Duration::ZERO;
    while passed < LIFETIME {
        let step = (TTL - Duration::from_secs(1)).min(LIFETIME - passed);
        assert!(load(&service, &id).await.is_some());
        pass(bed, step).await;
        passed += step;
    }
    assert!(
        listed(bed, &user, 4).await.is_empty(),
        "a session is listed beyond its lifetime"
    );
}

/// However often a session is renewed, its user has one session.
pub async fn renewed_session_is_listed_once(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    let mut id = create(&service, &[("a", "1")]).await;
    for number in 0..3 {
        let session = load(&service, &id).await.unwrap();
        let change = if number == 0 { change.clone() } else { set(&[]) };
        id = renew(&service, session, &change).await.unwrap().unwrap();
        let sessions = listed(bed, &user, 10).await;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].handle, load(&service, &id).await.unwrap().handle());
        assert_eq!(members(bed, &user).await.len(), 1);
    }
}

/// Sets a field that no user depends on.
async fn touch(service: &Store, id: &SessionId, name: &str) {
    let session = load(service, id).await.unwrap();
    commit(service, session, &set(&[(name, "1")])).await.unwrap();
}

/// A session that another program signed in is listed from the next change on, whichever field that changes.
pub async fn session_of_another_program_is_listed_after_the_next_change(bed: &dyn TestBed) {
    let (service, (user, _), (other, _)) = (store(bed), new_user(), new_user());
    let id = create_as_another_program(bed, &[("userid", &format!("\"{user}\""))]).await;
    assert!(listed(bed, &user, 10).await.is_empty());
    touch(&service, &id, "one").await;
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
    // the other program signs another user in
    let before = record(bed, &id).await;
    let mut fields = bed.codec().decode(before.clone()).unwrap();
    fields.set("userid", &format!("\"{other}\""));
    let after = bed.codec().encode(&fields).unwrap();
    let key = key(bed, &id);
    bed.backend().replace(key.as_str(), &before, &after, TTL).await.unwrap();
    assert!(listed(bed, &user, 10).await.is_empty());
    touch(&service, &id, "two").await;
    assert_eq!(listed(bed, &other, 10).await.len(), 1);
}

/// A record that PHP copied to another id, as `session_regenerate_id` does with everything in it, is a session of its own:
/// it has its own handle, is listed from its next change on, and can be kept while the first one is revoked.
pub async fn copied_record_is_a_session_of_its_own(bed: &dyn TestBed) {
    if renews_in_place(bed) {
        return; // no program copies records
    }
    let (service, (user, change)) = (store(bed), new_user());
    let first = signed_in(&service, 2, &change).await;
    let copy = bed.format().ids().generate(false).unwrap();
    let (key, record) = (key(bed, &copy), record(bed, &first).await);
    assert!(bed.backend().create(key.as_str(), &record, TTL).await.unwrap());
    touch(&service, &copy, "b").await;
    assert_eq!(listed(bed, &user, 10).await.len(), 2);
    let current = current_session(&load(&service, &copy).await.unwrap());
    assert_eq!(registry(bed).revoke_others(&user, &current).await.unwrap(), 1);
    assert!(load(&service, &copy).await.is_some());
    assert!(
        load(&service, &first).await.is_none(),
        "the copied session is still alive"
    );
}

/// A member whose record does not name the user yet belongs to a sign-in in flight. A list and a revocation leave it.
pub async fn sign_in_in_flight_is_not_dropped_from_the_list(bed: &dyn TestBed) {
    let (service, (user, change)) = (store(bed), new_user());
    let id = create(&service, &[("a", "1")]).await;
    let (registry, name) = (registry(bed), user.clone());
    let backend = Faulty::new(bed.backend(), Fault::Never);
    // the index has the member, and the record is not written yet
    let backend = backend.run_before(3, async move {
        let page = registry.list(&name, &CurrentSession::default(), 0, 10).await.unwrap();
        assert!(
            page.sessions.is_empty(),
            "a session is listed before its record names the user"
        );
        assert_eq!(registry.revoke_all(&name).await.unwrap(), 0);
    });
    let signing_in = store_over(bed, Arc::new(backend));
    let session = load(&signing_in, &id).await.unwrap();
    commit(&signing_in, session, &change).await.unwrap();
    assert_eq!(listed(bed, &user, 10).await.len(), 1, "a sign-in in flight was dropped");
}

/// A session that changes its user is listed for the new one alone. After a sign-out nothing of the user is left in it.
pub async fn session_is_listed_for_its_present_user_only(bed: &dyn TestBed) {
    let (service, (one, change), (other, next)) = (store(bed), new_user(), new_user());
    let id = create(&service, &[("a", "1")]).await;
    let anonymous = record(bed, &id).await;
    for (change, user, former) in [(&change, &one, &other), (&next, &other, &one), (&change, &one, &other)] {
        let session = load(&service, &id).await.unwrap();
        commit(&service, session, &change.clone().with_device("here"))
            .await
            .unwrap();
        assert_eq!(listed(bed, user, 1).await.len(), 1);
        assert!(listed(bed, former, 1).await.is_empty());
        assert_eq!(registry(bed).revoke_all(former).await.unwrap(), 0);
    }
    let session = load(&service, &id).await.unwrap();
    let change = removing(&session, &["userid"]);
    commit(&service, session, &change).await.unwrap();
    assert!(listed(bed, &one, 10).await.is_empty());
    assert_eq!(record(bed, &id).await, anonymous);
}

/// Promise 6: a sign-in is one operation more, and other changes of a signed-in session are none more.
pub async fn sign_in_takes_one_operation_more(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let (service, (user, change)) = (store_over(bed, backend.clone()), new_user());
    let mut before = 0;
    let mut took = |operations: usize, what: &str| {
        assert_eq!(backend.operations() - before, operations, "{what}");
        before = backend.operations();
    };
    let first = service.request().create(&change).await.unwrap();
    took(2, "a session that has a user from the start");
    let session = load(&service, &first).await.unwrap();
    took(1, "a load");
    commit(&service, session, &set(&[("b", "1")])).await.unwrap();
    took(1, "a change that leaves the user alone");
    let second = create(&service, &[("a", "1")]).await;
    let session = load(&service, &second).await.unwrap();
    took(2, "a session without a user, and a load");
    commit(&service, session, &change).await.unwrap();
    took(2, "a sign-in");
    let session = load(&service, &second).await.unwrap();
    destroy(&service, session).await;
    took(3, "a load and a log-out");
    service.request().create(&change).await.unwrap();
    took(2, "a session that has a user from the start");
    let registry = internals::registry(service);
    let current = CurrentSession::default();
    assert_eq!(registry.list(&user, &current, 0, 10).await.unwrap().sessions.len(), 2);
    took(3, "a list of two sessions");
    assert_eq!(registry.revoke_all(&user).await.unwrap(), 2);
    took(
        7,
        "the members, and for each of the two a peek, a removal, and the member's removal",
    );
}

/// A sign-in by a program whose clock is wrong drops neither its own session nor another one from the user's index.
pub async fn sign_in_by_a_wrong_clock_drops_no_session_from_the_index(bed: &dyn TestBed) {
    let (user, change) = new_user();
    let (clock, other) = (bed.clock().clock(), bed.clock().clock());
    let ahead = Clock::new(move || clock.now() + LIFETIME * 2);
    let behind = Clock::new(move || other.now() - LIFETIME * 2);
    for (count, clock) in [bed.clock().clock(), ahead, behind, bed.clock().clock()]
        .into_iter()
        .enumerate()
    {
        let service = Store::new(bed.backend(), bed.codec(), rules(bed), clock);
        service.request().create(&change).await.unwrap();
        assert_eq!(members(bed, &user).await.len(), count + 1);
    }
}
