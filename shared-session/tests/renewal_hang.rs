//! A Redis that hangs in the last step of a renewal, and then goes on with all that it was sent: the session is there
//! still, under its old id.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared_session::Clock;
use shared_session::Format;
use shared_session::codec::Fields;
use shared_session::session::change::Change;
use shared_session::session::id::SessionId;
use shared_session::store::{Rules, Store};
use shared_session::testing::faults::{Fault, Faulty};
use shared_session::testing::redis_server::RedisServer;
use tokio::time::sleep;

fn store(redis: Arc<dyn shared_session::backend::Backend>, timeout: Duration) -> Store {
    let rules = Rules {
        format: Format::Json,
        key_prefix: "session:".to_owned(),
        ttl: Duration::from_secs(3600),
        lifetime: Duration::from_secs(86_400),
        principal_field: "userid".to_owned(),
        timeout,
        max_size: 256 * 1024,
    };
    Store::new(redis, Format::Json.codec(), rules, Clock::system())
}

fn set(name: &str, value: &str) -> Change {
    let after = HashMap::from([(name.to_owned(), value.to_owned())]);
    Change::between(&Fields::new(), &after)
}

async fn is_there(store: &Store, id: &SessionId) -> bool {
    store.request().load(id).await.unwrap().session().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_in_the_last_step_of_a_renewal_loses_no_session() {
    const PATIENCE: Duration = Duration::from_millis(500);
    for hang in [300, 700, 1200, 2500].map(Duration::from_millis) {
        let server = Arc::new(RedisServer::start());
        let backend = |timeout| Arc::new(server.backend(timeout));
        let patient = store(backend(Duration::from_secs(20)), Duration::from_secs(20));
        let id = patient.request().create(&set("userid", "\"anna\"")).await.unwrap();
        // once before, so that Redis knows the scripts
        let session = patient.request().load(&id).await.unwrap().session().unwrap();
        let renewed = patient.request().renew(session, set("a", "1")).await;
        let id = renewed.unwrap().unwrap();

        let frozen = server.clone();
        let freezing = Faulty::new(backend(PATIENCE), Fault::Never).run_before(2, async move {
            frozen.freeze();
            tokio::spawn(async move {
                sleep(hang).await;
                frozen.thaw();
            });
        });
        let hasty = store(Arc::new(freezing), PATIENCE);
        let session = hasty.request().load(&id).await.unwrap().session().unwrap();
        let renewed = hasty.request().renew(session, set("b", "1")).await;
        sleep(hang + Duration::from_secs(3)).await;
        let id = renewed.ok().flatten().unwrap_or(id);
        assert!(is_there(&patient, &id).await, "a hang of {hang:?} lost the session");
    }
}
