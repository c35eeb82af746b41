//! The list of a person's sessions: every session of theirs, once, and nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::faults::{Fault, Faulty};
use super::{
    LIFETIME, TTL, TestBed, commit, create, destroy, key, load, pass, removing, renew, set, store, store_over,
};
use crate::format::Format;
use crate::session::change::Change;
use crate::session::fields::Fields;
use crate::session::id::SessionId;
use crate::store::Store;
use crate::store::current_session::CurrentSession;
use crate::store::index::Person;
use crate::store::registry::{Registry, SessionInfo};

/// Somebody whom no other test knows, and the change that signs them in.
pub(super) fn somebody() -> (String, Change) {
    let person = format!("kky {}", SessionId::generate().unwrap().expose());
    let change = sign_in(&person);
    (person, change)
}

pub(super) fn sign_in(person: &str) -> Change {
    set(&[("userid", &format!("\"{person}\""))])
}

/// Makes a session somebody's in one of three ways: at once, by a change, by a renewal.
pub(super) async fn signed_in(service: &Store, way: usize, change: &Change) -> SessionId {
    if way.is_multiple_of(3) {
        return service.create(change, &mut service.budget()).await.unwrap();
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
    Registry::new(store(bed))
}

/// Every session of a person, read in pages.
pub(super) async fn listed(bed: &dyn TestBed, person: &str, limit: usize) -> Vec<SessionInfo> {
    let (registry, current) = (registry(bed), CurrentSession::default());
    let (mut sessions, mut offset) = (Vec::new(), 0);
    loop {
        let page = registry.list(person, &current, offset, limit).await.unwrap();
        assert!(page.sessions.len() <= limit);
        sessions.extend(page.sessions);
        assert!(sessions.len() <= 10_000, "there are pages without end");
        let Some(next) = page.next else {
            return sessions;
        };
        assert!(next > offset, "a page leads nowhere");
        offset = next;
    }
}

/// What the index of a person holds, whether it stands for a session or not.
pub(super) async fn members(bed: &dyn TestBed, person: &str) -> Vec<String> {
    let (store, person) = (store(bed), Person::named(person));
    store
        .members(&person, 0, usize::MAX, &mut store.budget())
        .await
        .unwrap()
}

/// A signed-in session is listed with what may be shown of it, the newest first; one of nobody is not.
pub async fn a_list_tells_what_may_be_shown(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
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
    let current = CurrentSession::of(&own);
    commit(&service, own, &set(&[("b", "1")])).await.unwrap();
    pass(bed, Duration::from_secs(60)).await;
    let page = registry(bed).list(&person, &current, 0, 10).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (3, None));
    for (number, session) in page.sessions.iter().rev().enumerate() {
        let created = session.created.unwrap();
        assert_eq!(created, began + Duration::from_secs(60) * number as u32);
        assert_eq!(session.device.as_deref(), Some(&*format!("device {number}")));
        assert_eq!(session.current, number == 1);
        assert_eq!(session.handle == current.handle().unwrap(), number == 1);
        assert!(!format!("{session:?} {current:?}").contains(ids[number].expose()));
        // a loaded one a minute ago; a busy machine may have taken its time in between
        let used = if number == 1 {
            now() - Duration::from_secs(60)
        } else {
            created
        };
        let late = used
            .duration_since(session.last_used)
            .unwrap_or_else(|error| error.duration());
        assert!(late < Duration::from_secs(20), "last used {late:?} beside it");
    }
    // to be listed is not to be used
    pass(bed, TTL - Duration::from_secs(60)).await;
    assert_eq!(listed(bed, &person, 10).await.len(), 0);
}

/// A text or a number is somebody, and anything else is nobody.
pub async fn a_text_or_a_number_is_a_person(bed: &dyn TestBed) {
    let (service, number) = (store(bed), 7_000_000 + u64::from(rand_u32()));
    for value in [format!("{number}"), format!("\"{number}\""), format!("-{number}")] {
        create(&service, &[("userid", &value)]).await;
    }
    assert_eq!(listed(bed, &number.to_string(), 10).await.len(), 2);
    assert_eq!(listed(bed, &format!("-{number}"), 10).await.len(), 1);
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    for nobody in ["\"\"", "null", "true", "[1]", r#"{"id":1}"#] {
        let before = backend.steps();
        create(&service, &[("userid", nobody)]).await;
        assert_eq!(backend.steps() - before, 1, "{nobody} was indexed");
    }
}

fn rand_u32() -> u32 {
    let id = SessionId::generate().unwrap();
    id.expose()
        .bytes()
        .fold(0, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()))
}

/// 200 characters of a device are kept, and none that control a terminal or break a line.
pub async fn a_device_is_cut(bed: &dyn TestBed) {
    let service = store(bed);
    for (sent, kept) in [
        ("브라우저 ".repeat(1000), "브라우저 ".repeat(40)),
        ("\u{1b}[2J a\r\nb\0 ".to_owned(), "[2J ab".to_owned()),
        ("\u{1b}\t\n ".to_owned(), String::new()),
    ] {
        let (person, change) = somebody();
        signed_in(&service, 1, &change.with_device(&sent)).await;
        let device = listed(bed, &person, 10).await.remove(0).device;
        assert_eq!(device.unwrap_or_default(), kept);
    }
}

/// 50 sign-ins of one person at once, in three ways and several services, are 50 entries.
pub async fn every_sign_in_is_an_entry(bed: &dyn TestBed) {
    let (person, change) = somebody();
    let services = [store(bed), store(bed), store(bed)];
    let mut requests = JoinSet::new();
    for number in 0..50 {
        let (service, change) = (services[number % 2].clone(), change.clone());
        requests.spawn(async move { signed_in(&service, number, &change).await });
    }
    let ids = requests.join_all().await;
    let handles: HashSet<_> = listed(bed, &person, 7)
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

/// However long the list is, its pages hold every session once.
pub async fn pages_hold_every_session_once(bed: &dyn TestBed) {
    page_by_page(bed, 230, 50).await;
}

/// A person with 10,000 sessions is listed page by page, and rid of all of them. In one format: it takes seconds.
pub async fn ten_thousand_sessions_are_listed(bed: &dyn TestBed) {
    if bed.format() == Format::Json {
        page_by_page(bed, 10_000, 500).await;
    }
}

async fn page_by_page(bed: &dyn TestBed, count: usize, limit: usize) {
    let (service, (person, change)) = (store(bed), somebody());
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let (service, change) = (service.clone(), change.clone());
        requests.spawn(async move { service.create(&change, &mut service.budget()).await.unwrap() });
        if requests.len() == 200 {
            requests.join_next().await.unwrap().unwrap();
        }
    }
    requests.join_all().await;
    let sessions = listed(bed, &person, limit).await;
    let handles: HashSet<_> = sessions.iter().map(|session| &session.handle).collect();
    assert_eq!((sessions.len(), handles.len()), (count, count));
    assert_eq!(registry(bed).revoke_all(&person).await.unwrap(), count);
    assert!(members(bed, &person).await.is_empty());
}

/// What is destroyed or has expired is listed no more, its member is dropped, and the page is filled by what follows.
pub async fn ended_sessions_leave_the_list(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    let mut ids = Vec::new();
    for _ in 0..9 {
        ids.push(signed_in(&service, 0, &change).await);
        pass(bed, Duration::from_secs(1)).await;
    }
    destroy(&service, load(&service, &ids[8]).await.unwrap()).await;
    assert_eq!(members(bed, &person).await.len(), 8, "a log-out left its member");
    // what another program removes, or the store itself lets expire
    for id in &ids[5..8] {
        let (backend, key) = (bed.backend(), key(bed, id));
        let record = backend.load(key.as_str(), TTL).await.unwrap().unwrap();
        backend.remove(key.as_str(), &record).await.unwrap();
    }
    let page = registry(bed)
        .list(&person, &CurrentSession::default(), 0, 4)
        .await
        .unwrap();
    assert_eq!((page.sessions.len(), page.next), (4, Some(4)));
    assert_eq!(
        members(bed, &person).await.len(),
        5,
        "a member without a record was not dropped"
    );
    pass(bed, TTL).await;
    assert!(listed(bed, &person, 4).await.is_empty());
    assert!(members(bed, &person).await.is_empty());
    // a session in use for its whole lifetime, which the load gave more time than it has
    let id = signed_in(&service, 0, &change).await;
    let mut passed = Duration::ZERO;
    while passed < LIFETIME {
        let step = (TTL - Duration::from_secs(1)).min(LIFETIME - passed);
        assert!(load(&service, &id).await.is_some());
        pass(bed, step).await;
        passed += step;
    }
    assert!(
        listed(bed, &person, 4).await.is_empty(),
        "a session is listed beyond its lifetime"
    );
}

/// The session's own member is the only one, whatever id it has, and it keeps its handle.
pub async fn a_renewed_session_is_one_entry(bed: &dyn TestBed) {
    let (service, (person, change)) = (store(bed), somebody());
    let mut id = create(&service, &[("a", "1")]).await;
    let handle = load(&service, &id).await.unwrap().handle();
    for number in 0..3 {
        let session = load(&service, &id).await.unwrap();
        let change = if number == 0 { change.clone() } else { set(&[]) };
        id = renew(&service, session, &change).await.unwrap().unwrap();
        let sessions = listed(bed, &person, 10).await;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].handle, handle, "a renewed session is called otherwise");
        assert_eq!(members(bed, &person).await.len(), 1);
    }
}

/// Who another program says is signed in is in the index with the next change, of whatever field; also where it copied a
/// record to another id, as PHP's `session_regenerate_id` does.
pub async fn another_programs_sign_in_is_listed(bed: &dyn TestBed) {
    let (service, (person, _), (other, _)) = (store(bed), somebody(), somebody());
    let backend = bed.backend();
    let write = async |id: &SessionId, fields: &[(&str, &str)]| {
        let mut record = Fields::new();
        fields.iter().for_each(|(name, value)| record.set(name, value));
        let (key, record) = (key(bed, id), bed.codec().encode(&record).unwrap());
        assert!(backend.create(key.as_str(), &record, TTL).await.unwrap());
    };
    let id = SessionId::generate().unwrap();
    write(&id, &[("userid", &format!("\"{person}\""))]).await;
    assert!(listed(bed, &person, 10).await.is_empty());
    let touch = async |id: &SessionId, name: &str| {
        let session = load(&service, id).await.unwrap();
        commit(&service, session, &set(&[(name, "1")])).await.unwrap();
    };
    touch(&id, "one").await;
    assert_eq!(listed(bed, &person, 10).await.len(), 1);

    let (copy, record) = (SessionId::generate().unwrap(), raw(bed, &id).await);
    assert!(backend.create(key(bed, &copy).as_str(), &record, TTL).await.unwrap());
    touch(&copy, "two").await;
    assert_eq!(listed(bed, &person, 10).await.len(), 2, "a copied record is not listed");

    // another person, by another program
    let mut fields = bed.codec().decode(raw(bed, &copy).await).unwrap();
    fields.set("userid", &format!("\"{other}\""));
    let (key, before) = (key(bed, &copy), raw(bed, &copy).await);
    let record = bed.codec().encode(&fields).unwrap();
    backend.replace(key.as_str(), &before, &record, TTL).await.unwrap();
    assert_eq!(listed(bed, &person, 10).await.len(), 1);
    touch(&copy, "three").await;
    assert_eq!(listed(bed, &other, 10).await.len(), 1);
}

async fn raw(bed: &dyn TestBed, id: &SessionId) -> Bytes {
    let record = bed.backend().load(key(bed, id).as_str(), TTL).await.unwrap();
    record.unwrap()
}

/// Another person's session is in the list of that one alone; nobody's is in none, and holds nothing of it.
pub async fn a_change_of_person_moves_the_session(bed: &dyn TestBed) {
    let (service, (one, change), (other, next)) = (store(bed), somebody(), somebody());
    let id = create(&service, &[("a", "1")]).await;
    let anonymous = raw(bed, &id).await;
    for (change, person, former) in [(&change, &one, &other), (&next, &other, &one), (&change, &one, &other)] {
        let session = load(&service, &id).await.unwrap();
        commit(&service, session, &change.clone().with_device("here"))
            .await
            .unwrap();
        assert_eq!(listed(bed, person, 1).await.len(), 1);
        assert!(listed(bed, former, 1).await.is_empty());
        assert_eq!(registry(bed).revoke_all(former).await.unwrap(), 0);
    }
    let session = load(&service, &id).await.unwrap();
    let change = removing(&session, &["userid"]);
    commit(&service, session, &change).await.unwrap();
    assert!(listed(bed, &one, 10).await.is_empty());
    assert_eq!(raw(bed, &id).await, anonymous);
}

/// 6: who signs in costs one step more, and what leaves that alone none.
pub async fn steps_of_a_person_are_counted(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let (service, (person, change)) = (store_over(bed, backend.clone()), somebody());
    let mut before = 0;
    let mut took = |steps: usize, what: &str| {
        assert_eq!(backend.steps() - before, steps, "{what}");
        before = backend.steps();
    };
    let id = service.create(&change, &mut service.budget()).await.unwrap();
    took(2, "a session that is somebody's from the start");
    let session = load(&service, &id).await.unwrap();
    took(1, "a load");
    commit(&service, session, &set(&[("b", "1")])).await.unwrap();
    took(1, "a change that leaves the person alone");
    let anonymous = create(&service, &[("a", "1")]).await;
    let session = load(&service, &anonymous).await.unwrap();
    took(2, "a session of nobody");
    commit(&service, session, &change).await.unwrap();
    took(2, "a sign-in");
    let anonymous = create(&service, &[("a", "1")]).await;
    let session = load(&service, &anonymous).await.unwrap();
    took(2, "a session of nobody");
    let renewed = renew(&service, session, &change).await.unwrap().unwrap();
    took(3, "a sign-in that renews");
    let session = load(&service, &renewed).await.unwrap();
    let renewed = renew(&service, session, &set(&[])).await.unwrap().unwrap();
    took(5, "a load and a renewal");
    let session = load(&service, &renewed).await.unwrap();
    destroy(&service, session).await;
    took(3, "a load and a log-out");
    let registry = Registry::new(service);
    let current = CurrentSession::default();
    assert_eq!(registry.list(&person, &current, 0, 10).await.unwrap().sessions.len(), 2);
    took(3, "a list of two");
    assert_eq!(registry.revoke_all(&person).await.unwrap(), 2);
    took(7, "the members, and for each of two a look, the removal, the member");
}
