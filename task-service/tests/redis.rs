//! How tasks lie in Redis, and what is asked of it.

#![allow(clippy::unwrap_used)]

mod support;

use service_kit::Failure;
use shared_session::testing::redis_server::RedisServer;
use task_service::task::{Change, Task, TaskId};

use support::repository::{add, many, repository, task};

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_where_they_are_said_to_be() {
    let redis = RedisServer::start();
    let bed = repository(&["--session-store", &redis.url()]);
    let one = Task {
        created: 1_763_830_000_000_000,
        ..task("홍길동 \"x\"")
    };
    assert!(add(&bed, "anna", &one).await);
    let id = one.id.as_str();
    let kept: String = redis.run(&["HGET", "task:list:anna", id]);
    assert_eq!(
        kept,
        r#"{"title":"홍길동 \"x\"","done":false,"created":1763830000000000}"#
    );
    assert_eq!(redis.run::<i64>(&["TTL", "task:list:anna"]), -1);
    assert!(bed.remove("anna", &one.id).await.unwrap());
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_stays() {
    let redis = RedisServer::start();
    let bed = repository(&["--session-store", &redis.url()]);
    let good = task("good");
    let readable = good.kept().unwrap();
    for (field, kept) in [
        (good.id.as_str(), "rubbish"),
        (good.id.as_str(), r#"{"title":"a"}"#),
        ("NO-ID", readable.as_str()),
    ] {
        let _: i64 = redis.run(&["DEL", "task:list:anna"]);
        let _: i64 = redis.run(&["HSET", "task:list:anna", field, kept]);
        assert!(matches!(bed.list("anna").await, Err(Failure::Unreadable("task"))));
        if let Some(id) = TaskId::parse(field) {
            let update = bed.update("anna", &id, &Change::Done(true)).await;
            assert!(matches!(update, Err(Failure::Unreadable("task"))));
            assert!(add(&bed, "anna", &good).await);
        }
        assert_eq!(redis.run::<String>(&["HGET", "task:list:anna", field]), kept);
    }
}

/// The user may run these commands and no others. Those that a script runs are counted as well as the script.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_few_commands_of_those_that_are_permitted() {
    let redis = RedisServer::start();
    let permitted = "+hget +hset +hsetnx +hdel +hlen +hgetall +hexists +eval";
    let mut user = vec!["ACL", "SETUSER", "tasks", "on", "nopass", "~task:*"];
    user.extend(permitted.split(' '));
    let () = redis.run(&user);
    let bed = repository(&[
        "--session-store",
        &format!("redis://tasks:any@127.0.0.1:{}/0", redis.port()),
    ]);
    let one = task("one");
    assert!(add(&bed, "anna", &one).await);
    let calls = |before: u64| redis.calls(&["hget", "hgetall", "hset", "hdel", "eval", "hlen", "hexists"]) - before;

    let before = calls(0);
    bed.list("anna").await.unwrap();
    assert_eq!(calls(before), 1);
    // however many: one script, which counts what is there (its `HSETNX` are not counted here)
    let (before, scripts) = (calls(0), redis.calls(&["eval"]));
    bed.add("anna", many(30)).await.unwrap();
    assert_eq!((calls(before), redis.calls(&["eval"]) - scripts), (2, 1));
    // read, then compared and set
    let (before, scripts) = (calls(0), redis.calls(&["eval"]));
    bed.update("anna", &one.id, &Change::Done(true)).await.unwrap();
    assert_eq!((calls(before), redis.calls(&["eval"]) - scripts), (4, 1));
    // what changes nothing is not written
    let before = calls(0);
    bed.update("anna", &one.id, &Change::Done(true)).await.unwrap();
    assert_eq!(calls(before), 1);
    let before = calls(0);
    bed.remove("anna", &one.id).await.unwrap();
    assert_eq!(calls(before), 1);
}
