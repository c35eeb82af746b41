//! Checks of promises 2 and 3 for requests whose browser has an old id, or several: a sign-in is never refused because of
//! them, and a log-out ends all of their sessions.

use shared_session::Error;
use shared_session::internals::{Change, CookieAction, Loaded, Opened, Reading, SessionId, Store, Wish};
use tokio::task::JoinSet;

use super::registry::{listed, members, new_user};
use super::{create, fields, load, renew, renews_in_place, set, store, visible};
use crate::TestBed;

/// Does what a request does at its end. Returns the id that the browser then has.
async fn finish(store: &Store, opened: impl Into<Opened>, wish: Wish, change: &Change) -> SessionId {
    match store
        .request()
        .finish(opened, wish, change.clone(), Vec::new())
        .await
        .unwrap()
    {
        CookieAction::Issue(id, _) => id.delivered(),
        other => panic!("no id: {other:?}"),
    }
}

async fn open(store: &Store, ids: &[&SessionId]) -> Opened {
    let ids = ids.iter().map(|id| (*id).clone()).collect();
    store.request().open(ids, Reading::Now).await.unwrap()
}

async fn renewed(store: &Store, id: &SessionId, change: &Change) -> SessionId {
    let session = load(store, id).await.unwrap();
    renew(store, session, change).await.unwrap().unwrap()
}

/// If a sign-in is sent twice, the second request comes with the id that the first one replaced, and is not refused.
pub async fn sign_in_with_a_superseded_id_takes_over_the_session_of_its_user(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (one, other, (user, sign_in)) = (store(bed), store(bed), new_user());
    let old = create(&one, &[("a", "1")]).await;
    let first = renewed(&one, &old, &sign_in).await;
    let second = finish(&other, open(&other, &[&old]).await, Wish::Renew, &sign_in).await;
    let expected = fields(&[("a", "1"), ("userid", &format!("\"{user}\""))]);
    assert_eq!(visible(&one, &second).await, expected);
    assert!(load(&one, &first).await.is_none(), "two ids open one session");
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
    // and once more, with each of the old ids
    for id in [old, first] {
        let third = finish(&one, open(&one, &[&id]).await, Wish::Renew, &sign_in).await;
        assert_eq!(visible(&other, &third).await, expected);
    }
}

/// Neither is refused if both requests loaded the session before either renewed it.
pub async fn sign_in_in_flight_takes_over_the_session_of_its_user(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (one, other, (user, sign_in)) = (store(bed), store(bed), new_user());
    let old = create(&one, &[("a", "1")]).await;
    let in_flight = open(&other, &[&old]).await;
    let first = renewed(&one, &old, &sign_in).await;
    let second = finish(&other, in_flight, Wish::Renew, &sign_in).await;
    let expected = fields(&[("a", "1"), ("userid", &format!("\"{user}\""))]);
    assert_eq!(visible(&one, &second).await, expected);
    assert!(load(&one, &first).await.is_none(), "two ids open one session");
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
}

/// Renews two sessions, one that becomes another user's and one that stays nobody's. Returns the old id of each, what a
/// request loaded with it before, and the new id.
async fn renewals(service: &Store) -> Vec<(SessionId, Opened, SessionId)> {
    let mut renewals = Vec::new();
    for change in [set(&[("b", "1")]), new_user().1] {
        let old = create(service, &[("a", "1")]).await;
        let in_flight = open(service, &[&old]).await;
        let new = renewed(service, &old, &change).await;
        renewals.push((old, in_flight, new));
    }
    renewals
}

async fn sign_in_beside(bed: &dyn TestBed, service: &Store, opened: Opened, theirs: &SessionId) {
    let before = visible(service, theirs).await;
    let (user, sign_in) = new_user();
    let own = finish(service, opened, Wish::Renew, &sign_in).await;
    assert_eq!(
        visible(service, &own).await,
        fields(&[("userid", &format!("\"{user}\""))])
    );
    assert_eq!(visible(service, theirs).await, before);
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
}

/// A sign-in with a superseded id begins a session of its own if the renewed one is nobody's or another user's.
pub async fn sign_in_with_a_superseded_id_shows_nothing_of_another_session(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let service = store(bed);
    for (old, _, new) in renewals(&service).await {
        let opened = open(&service, &[&old]).await;
        assert!(matches!(opened.loaded, Loaded::Superseded(_)));
        sign_in_beside(bed, &service, opened, &new).await;
    }
}

/// So does a sign-in whose request loaded the session before it was renewed.
pub async fn sign_in_in_flight_shows_nothing_of_another_session(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let service = store(bed);
    for (_, in_flight, new) in renewals(&service).await {
        sign_in_beside(bed, &service, in_flight, &new).await;
    }
}

/// A request that sets the principal and does not renew is refused: the renewed session may be another user's.
pub async fn sign_in_without_a_renewal_is_refused(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (user, sign_in)) = (store(bed), new_user());
    for (old, in_flight, new) in renewals(&service).await {
        let before = visible(&service, &new).await;
        for loaded in [in_flight, open(&service, &[&old]).await] {
            let refused = service
                .request()
                .finish(loaded, Wish::Keep, sign_in.clone(), Vec::new())
                .await;
            assert!(matches!(refused, Err(Error::Superseded)), "{refused:?}");
        }
        assert_eq!(visible(&service, &new).await, before);
        assert!(listed(bed, &user, 10).await.is_empty());
    }
}

/// Of many sign-ins of one user, none is refused, and one id opens the session afterwards.
pub async fn concurrent_sign_ins_of_one_user_all_succeed(bed: &dyn TestBed) {
    if !renews_in_place(bed) {
        return;
    }
    let (service, (user, sign_in)) = (store(bed), new_user());
    let old = create(&service, &[("a", "1")]).await;
    let mut requests = JoinSet::new();
    for number in 0..20 {
        // half of them load the session before the others renew it, and half of them after that
        let early = (number % 2 == 0).then_some(open(&service, &[&old]).await);
        let (service, old, sign_in) = (store(bed), old.clone(), sign_in.clone());
        requests.spawn(async move {
            let loaded = match early {
                Some(loaded) => loaded,
                None => open(&service, &[&old]).await,
            };
            finish(&service, loaded, Wish::Renew, &sign_in).await
        });
    }
    let mut live = 0;
    for id in requests.join_all().await {
        live += usize::from(load(&service, &id).await.is_some());
    }
    assert_eq!(live, 1, "{live} of the 20 ids open a session");
    assert_eq!(listed(bed, &user, 10).await.len(), 1);
}

/// A sign-in of a browser with two live sessions ends both, so that the new one works.
pub async fn sign_in_beside_two_live_sessions_ends_both(bed: &dyn TestBed) {
    for wish in [Wish::Renew, Wish::Keep] {
        let (service, (user, change)) = (store(bed), new_user());
        let (one, other) = (
            create(&service, &[("a", "1")]).await,
            create(&service, &[("userid", "\"bob\"")]).await,
        );
        let opened = open(&service, &[&one, &other]).await;
        assert!(opened.is_ambiguous() && matches!(opened.loaded, Loaded::Missing));
        let id = finish(&service, opened, wish, &change).await;
        let opened = open(&service, &[&one, &id, &other]).await;
        assert!(!opened.is_ambiguous() && opened.id == Some(id));
        assert_eq!(listed(bed, &user, 10).await.len(), 1);
    }
}

/// A log-out ends every session whose id the request has: of the one live id, of several, and of superseded ones.
pub async fn log_out_ends_every_session_of_the_request(bed: &dyn TestBed) {
    for live in [1, 2, 7, 40] {
        let (service, (user, sign_in)) = (store(bed), new_user());
        let mut ids = Vec::new();
        for _ in 0..live {
            ids.push(service.request().create(&sign_in).await.unwrap());
        }
        let superseded = create(&service, &[("a", "1")]).await;
        let renewed = renewed(&service, &superseded, &sign_in).await;
        let unknown = bed.format().ids().generate(false).unwrap();
        let sent: Vec<&SessionId> = ids.iter().chain([&superseded, &unknown]).collect();
        let opened = open(&service, &sent).await;
        let action = service
            .request()
            .finish(opened, Wish::Destroy, Change::default(), Vec::new())
            .await;
        assert!(matches!(action, Ok(CookieAction::Remove)), "{action:?}");
        for id in &ids {
            assert!(load(&service, id).await.is_none(), "one of {live} sessions is alive");
        }
        // PHP's formats cannot tell that an id was superseded
        assert_eq!(load(&service, &renewed).await.is_none(), renews_in_place(bed));
        assert_eq!(members(bed, &user).await.len(), usize::from(!renews_in_place(bed)));
    }
}
