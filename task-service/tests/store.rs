//! What the page asks of its store, and what becomes of it where the store is away or holds what cannot be read.

#![allow(clippy::unwrap_used)]

mod support;

use service_kit::testing::Running;
use shared_session::testing::redis_server::RedisServer;

use support::{Person, start_with};

#[actix_web::test]
async fn a_visit_without_a_session_costs_nothing() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let person = Person::new(&server);
    let connections = redis.connections();
    for path in ["/task/", "/task/"] {
        let page = person.get(path).await;
        assert_eq!((page.status, page.sets_cookie), (200, false));
    }
    // a form in which something is wrong begins no session either
    assert!(!person.add("").await.sets_cookie);
    // that of the question itself
    assert_eq!(redis.connections(), connections + 1);
    assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
    assert!(person.add("one").await.sets_cookie);
}

/// What a visit asks of Redis, by command.
fn asked(redis: &RedisServer) -> [u64; 4] {
    ["getex", "hgetall", "eval", "evalsha"].map(|command| redis.calls(&[command]))
}

#[actix_web::test]
async fn a_visit_asks_as_little_as_it_can() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let anna = Person::signed_in(&server, "anna").await;
    anna.add("one").await;
    let nobody = Person::new(&server);
    nobody.add("one").await;
    for (person, expected) in [(anna, [1, 1, 0, 0]), (nobody, [1, 0, 0, 0])] {
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        person.page().await;
        assert_eq!(asked(&redis), expected);
    }
}

#[actix_web::test]
async fn without_its_store_who_has_a_session_is_told_and_who_has_none_sees_the_page() {
    let mut redis = RedisServer::start();
    let server = Running::start(
        &task_service::SERVICE,
        support::routes,
        &["--session-store", &redis.url()],
    );
    let anna = Person::signed_in(&server, "anna").await;
    let id = anna.added("one").await;
    redis.kill();
    for answer in [
        anna.get("/task/").await,
        anna.add("two").await,
        anna.delete(&id).await,
        Person::new(&server).add("a draft").await,
    ] {
        assert_eq!((answer.status, answer.sets_cookie), (503, false));
        answer.shows("/task/style.css");
    }
    Person::new(&server).page().await.shows("<h1>Draft tasks</h1>");
    redis.restart(&[]);
    for _ in 0..100 {
        let page = anna.get("/task/").await;
        if page.status == 200 {
            return assert_eq!(page.titles(), ["one"]);
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("Redis is back, and the tasks are not");
}

#[actix_web::test]
async fn what_cannot_be_read_is_an_error_and_stays() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let anna = Person::signed_in(&server, "anna").await;
    let id = anna.added("one").await;
    let _: i64 = redis.run(&["HSET", "task:list:anna", &id, "rubbish"]);
    assert_eq!(anna.get("/task/").await.status, 500);
    assert_eq!(anna.change(&id, "done", ("done", "true")).await.status, 500);
    assert_eq!(redis.run::<String>(&["HGET", "task:list:anna", &id]), "rubbish");
    // it is the person's to delete
    assert_eq!(anna.delete(&id).await.status, 303);
    assert_eq!(anna.page().await.titles(), Vec::<String>::new());

    let nobody = Person::new(&server);
    let id = nobody.added("one").await;
    // a field that is no draft of ours is none of ours
    nobody.set("draft:x", "1").await;
    assert_eq!(nobody.page().await.titles(), ["one"]);
    nobody.set(&format!("draft:{id}"), "1").await;
    assert_eq!(nobody.get("/task/").await.status, 500);
    nobody.sign_in("berta").await;
    assert_eq!(nobody.get("/task/").await.status, 500);
    assert_eq!(redis.run::<u64>(&["EXISTS", "task:list:berta"]), 0);
}
