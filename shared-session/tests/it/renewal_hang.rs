//! A real Redis that hangs during the replacement of a renewal, and performs everything that it received later.
//!
//! The contract suite checks the other order, in which the replacement arrives after the renewal was settled:
//! `renewal_in_place::renewal_that_is_applied_after_settling_changes_nothing`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared_session::backend::Backend;
use shared_session::codec::Fields;
use shared_session::internals::{Change, LoadedSession, NewId, Rules, SessionId, Store};
use shared_session::{Clock, Format, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use shared_session_testkit::servers::RedisServer;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

const TIMEOUT: Duration = Duration::from_millis(500);
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn store(redis: Arc<dyn Backend>, timeout: Duration) -> Store {
    let rules = Rules {
        timeout,
        ..Rules::from(&Settings::default())
    };
    Store::new(redis, Format::Json.codec(), rules, Clock::system())
}

fn set(name: &str, value: &str) -> Change {
    let after = HashMap::from([(name.to_owned(), value.to_owned())]);
    Change::between(&Fields::new(), &after)
}

async fn load(store: &Store, id: &SessionId) -> Option<LoadedSession> {
    store.request().load(id).await.unwrap().session()
}

/// Renews a session, and lets Redis hang right before the operation with this number. Returns whether the renewal
/// failed, and the session that the browser's id opens then.
async fn renew_with_hang(
    first: Change,
    change: Change,
    operation: usize,
    hang: Duration,
) -> (bool, Option<LoadedSession>) {
    let server = Arc::new(RedisServer::start());
    let patient = store(Arc::new(server.backend(PATIENCE)), PATIENCE);
    let id = patient.request().create(&first).await.unwrap();
    // Redis knows the scripts from now on
    let session = load(&patient, &id).await.unwrap();
    let id = patient.request().renew(session, set("a", "1")).await.unwrap();
    let id = id.unwrap().delivered();

    let backend: Arc<dyn Backend> = Arc::new(server.backend(TIMEOUT));
    // it sends the script at once from now on, if the server has no command for a replacement
    while backend.replace("none", b"", b"", TIMEOUT).await.is_err() {}
    let (hasty, session, end) = loop {
        let (frozen, (thawed, end)) = (server.clone(), oneshot::channel());
        let hanging = Faulty::new(backend.clone(), Fault::Never).run_before(operation, async move {
            frozen.freeze();
            tokio::spawn(async move {
                sleep(hang).await;
                frozen.thaw();
                let _ = thawed.send(());
            });
        });
        let hasty = store(Arc::new(hanging), TIMEOUT);
        // a busy machine may be too slow for a request that is not about the hang
        if let Ok(loaded) = hasty.request().load(&id).await {
            break (hasty, loaded.session().unwrap(), end);
        }
    };
    let renewed = hasty.request().renew(session, change).await;
    // no hang begins if the renewal fails earlier
    let _ = end.await;
    // Redis has performed what was sent to it during the hang when it replies to a new connection
    let _: String = server.run(&["PING"]);
    let failed = renewed.is_err();
    let id = renewed.ok().flatten().map_or(id, NewId::delivered);
    // the renewal is settled
    hasty.drain().await;
    (failed, load(&patient, &id).await)
}

const HANGS: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(700),
    Duration::from_millis(1200),
    Duration::from_millis(2500),
];

#[tokio::test(flavor = "multi_thread")]
async fn renewal_that_redis_performs_late_keeps_the_session_and_its_user() {
    let mut cases = JoinSet::new();
    for hang in HANGS {
        // a load and the replacement
        let renewal = renew_with_hang(set("userid", "\"anna\""), set("b", "1"), 2, hang);
        cases.spawn(async move { (hang, renewal.await.1) });
    }
    for (hang, session) in cases.join_all().await {
        let session = session.unwrap_or_else(|| panic!("a hang of {hang:?} lost the session"));
        assert_eq!(session.fields().get("userid"), Some("\"anna\""), "{hang:?}");
        assert_eq!(session.fields().get("a"), Some("1"), "{hang:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_that_redis_performs_late_leaves_nobody_signed_in_under_the_old_id() {
    let mut cases = JoinSet::new();
    for hang in HANGS {
        // a load, the index, and the replacement
        let sign_in = renew_with_hang(set("b", "1"), set("userid", "\"anna\""), 3, hang);
        cases.spawn(async move { (hang, sign_in.await) });
    }
    for (hang, (failed, session)) in cases.join_all().await {
        let session = session.unwrap_or_else(|| panic!("a hang of {hang:?} lost the session"));
        let user = session.fields().get("userid");
        assert_eq!(user.is_none(), failed, "{hang:?}: {user:?}");
        assert_eq!(session.fields().get("b"), Some("1"), "{hang:?}");
    }
}
