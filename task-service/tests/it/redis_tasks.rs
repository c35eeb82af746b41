//! The Redis repository: how it stores tasks, and which commands it sends.

use service_kit::Failure;
use shared_session_testkit::servers::RedisServer;
use task_service::task::{Change, TaskId};
use task_service::tasks::PageOf;

use crate::support::repository::{add, many, repository, task};

#[tokio::test(flavor = "multi_thread")]
async fn task_is_stored_as_json_in_the_users_hash() {
    let redis = RedisServer::start();
    let repository = repository(&["--session-store", &redis.url()]);
    let task = task("홍길동 \"x\"");
    assert!(add(&repository, "anna", &task).await);
    let json: String = redis.run(&["HGET", "task:list:anna", task.id.as_str()]);
    assert_eq!(json, r#"{"title":"홍길동 \"x\"","done":false}"#);
    assert_eq!(redis.run::<i64>(&["TTL", "task:list:anna"]), -1);
    assert!(repository.remove("anna", &task.id).await.unwrap());
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_task_is_an_error_and_stays_unchanged() {
    let redis = RedisServer::start();
    let repository = repository(&["--session-store", &redis.url()]);
    let valid = task("valid");
    let valid_json = valid.to_json().unwrap();
    for (field, value) in [
        (valid.id.as_str(), "not JSON"),
        (valid.id.as_str(), r#"{"title":"a"}"#),
        ("INVALID-ID", valid_json.as_str()),
    ] {
        let _: i64 = redis.run(&["DEL", "task:list:anna"]);
        let _: i64 = redis.run(&["HSET", "task:list:anna", field, value]);
        let page = repository.page("anna", PageOf::Number(1)).await;
        assert!(matches!(page, Err(Failure::Unreadable("task"))));
        if let Some(id) = TaskId::parse(field) {
            let update = repository.update("anna", &id, &Change::Done(true)).await;
            assert!(matches!(update, Err(Failure::Unreadable("task"))));
            assert!(add(&repository, "anna", &valid).await);
        }
        assert_eq!(redis.run::<String>(&["HGET", "task:list:anna", field]), value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_send_few_commands_and_only_permitted_ones() {
    let redis = RedisServer::start();
    let permitted = "+hget +hset +hsetnx +hdel +hlen +hkeys +hexists +eval";
    let mut user = vec!["ACL", "SETUSER", "tasks", "on", "nopass", "~task:*"];
    user.extend(permitted.split(' '));
    let () = redis.run(&user);
    let repository = repository(&[
        "--session-store",
        &format!("redis://tasks:any@127.0.0.1:{}/0", redis.port()),
    ]);
    let task = task("one");
    assert!(add(&repository, "anna", &task).await);
    // Redis counts a script and each command that it runs
    let calls = |before: u64| redis.calls(&["hget", "hkeys", "hset", "hdel", "eval", "hlen", "hexists"]) - before;

    // one script with HKEYS, and HGET for each task of the page
    let (before, scripts) = (calls(0), redis.calls(&["eval"]));
    repository.page("anna", PageOf::Number(1)).await.unwrap();
    assert_eq!((calls(before), redis.calls(&["eval"]) - scripts), (3, 1));
    // one script with one HLEN for any number of tasks; its HSETNX are not among the counted commands
    let (before, scripts) = (calls(0), redis.calls(&["eval"]));
    repository.add("anna", many(30)).await.unwrap();
    assert_eq!((calls(before), redis.calls(&["eval"]) - scripts), (2, 1));
    // HGET, then a script with HGET and HSET
    let change = Change::Done(true);
    let (before, scripts) = (calls(0), redis.calls(&["eval"]));
    repository.update("anna", &task.id, &change).await.unwrap();
    assert_eq!((calls(before), redis.calls(&["eval"]) - scripts), (4, 1));
    // an update that changes nothing only reads
    let before = calls(0);
    repository.update("anna", &task.id, &change).await.unwrap();
    assert_eq!(calls(before), 1);
    let before = calls(0);
    repository.remove("anna", &task.id).await.unwrap();
    assert_eq!(calls(before), 1);
}
