//! Checks of promise 9 as far as the store keeps it.

use std::sync::Arc;

use shared_session::{CurrentSession, Error};

use super::registry::{new_user, registry};
use super::{commit, create, destroy, eventually, fields, load, set, store, store_over, visible};
use crate::TestBed;
use crate::faulty::{Fault, Faulty};

/// An operation that fails is an error of its request. Whether it was applied or not, the request can be retried.
pub async fn failed_operation_is_an_error_and_can_be_retried(bed: &dyn TestBed) {
    let service = store(bed);
    for fault in [Fault::Before(1), Fault::After(1)] {
        let id = create(&service, &[("a", "1")]).await;
        let failing = || store_over(bed, Arc::new(Faulty::new(bed.backend(), fault)));
        let loaded = failing().request().load(&id).await;
        assert!(matches!(loaded, Err(Error::Unavailable(_))), "{loaded:?}");
        let session = load(&service, &id).await.unwrap();
        let again = session.clone();
        let committed = commit(&failing(), session, &set(&[("b", "1")])).await;
        assert!(matches!(committed, Err(Error::Unavailable(_))), "{committed:?}");
        // a retry with the session as it was loaded meets no conflict
        commit(&service, again, &set(&[("b", "1")])).await.unwrap();
        assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));
        let (session, again) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
        let destroyed = failing().request().destroy(session).await;
        assert!(matches!(destroyed, Err(Error::Unavailable(_))), "{destroyed:?}");
        destroy(&service, again).await;
        assert!(load(&service, &id).await.is_none());
    }
}

/// A replacement that a driver repeats recognises its own first run. What another request stored between the two runs
/// stays.
pub async fn replacement_that_runs_twice_is_applied_once(bed: &dyn TestBed) {
    let service = store(bed);
    let twice = || Faulty::new(bed.backend(), Fault::Twice(1));
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let backend = Arc::new(twice());
    let store = store_over(bed, backend.clone());
    commit(&store, session, &set(&[("b", "1")])).await.unwrap();
    assert_eq!(backend.operations(), 2, "the change was written again");
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1"), ("b", "1")]));

    let (session, other) = (load(&service, &id).await.unwrap(), load(&service, &id).await.unwrap());
    let between = {
        let service = service.clone();
        async move { commit(&service, other, &set(&[("c", "1")])).await.unwrap() }
    };
    let store = store_over(bed, Arc::new(twice().run_before(2, between)));
    commit(&store, session, &set(&[("d", "1")])).await.unwrap();
    let expected = fields(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    assert_eq!(visible(&service, &id).await, expected);
}

/// After three consecutive failures no request calls the backend. Once it replies again, every request does.
pub async fn unreachable_backend_is_not_called_until_it_replies_again(bed: &dyn TestBed) {
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Never));
    let service = store_over(bed, backend.clone());
    let id = create(&service, &[("a", "1")]).await;
    backend.set_unreachable(true);
    for _ in 0..3 {
        let loaded = service.request().load(&id).await;
        assert!(matches!(loaded, Err(Error::Unavailable(_))), "{loaded:?}");
    }
    let before = backend.operations();
    for _ in 0..100 {
        let loaded = service.request().load(&id).await;
        assert!(matches!(loaded, Err(Error::CircuitOpen)), "{loaded:?}");
    }
    assert_eq!(backend.operations(), before, "an unreachable backend was asked");
    backend.set_unreachable(false);
    eventually("the backend replies again and is not called", async || {
        service.request().load(&id).await.is_ok()
    })
    .await;
}

/// A sign-in whose index operation is refused stores nothing.
pub async fn refused_index_operation_leaves_no_record(bed: &dyn TestBed) {
    let (user, sign_in) = new_user();
    let backend = Arc::new(Faulty::new(bed.backend(), Fault::Scripts));
    let service = store_over(bed, backend.clone());
    let created = service.request().create(&sign_in).await;
    assert!(matches!(created, Err(Error::Refused(_))), "{created:?}");
    // a sign-in to a session that exists leaves the session as it was
    let id = create(&service, &[("a", "1")]).await;
    let session = load(&service, &id).await.unwrap();
    let committed = commit(&service, session, &sign_in).await;
    assert!(matches!(committed, Err(Error::Refused(_))), "{committed:?}");
    let session = load(&service, &id).await.unwrap();
    let renewed = service.request().renew(session, sign_in).await;
    assert!(matches!(renewed, Err(Error::Refused(_))), "{renewed:?}");
    assert_eq!(visible(&service, &id).await, fields(&[("a", "1")]));
    let current = CurrentSession::default();
    let page = registry(bed).list(&user, &current, 0, 10).await.unwrap();
    assert!(page.sessions.is_empty());
    // the new session, and in a format of PHP the copy that the renewal made
    let created = backend.created().into_iter();
    for key in created.filter(|created| created != super::key(bed, &id).as_str()) {
        eventually("a record was left behind", async || {
            bed.backend().peek(&key).await.unwrap().is_none()
        })
        .await;
    }
}
