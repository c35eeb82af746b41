//! Drafts: they are stored in the session, and become tasks when another service signs the user in.

use std::collections::HashSet;

use actix_web::rt;
use service_kit::testing::Running;
use shared_session_testkit::servers::RedisServer;

use crate::support;
use crate::support::{Browser, TaskPage, start, start_with};

/// How often a test repeats a race.
const ROUNDS: usize = 5;

fn set(titles: Vec<String>) -> HashSet<String> {
    titles.into_iter().collect()
}

#[actix_web::test]
async fn drafts_become_tasks_after_sign_in() {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        let browser = Browser::new(&server);
        let ids = [browser.add_task("one").await, browser.add_task("two").await];
        browser.change(&ids[1], "done", ("done", "true")).await;
        browser.sign_in("anna").await;
        let page = browser.page().await;
        assert_eq!(page.message().unwrap(), "2 drafts were moved to your tasks.");
        page.shows("<h1>Your tasks</h1>");
        page.shows("<p>2 tasks, 1 done</p>");
        assert_eq!(
            (page.titles(), page.ids()),
            (vec!["two".into(), "one".into()], vec![ids[1].clone(), ids[0].clone()])
        );
        // the message is shown once, and the tasks are there on every device
        assert_eq!(browser.page().await.message(), None);
        let other = Browser::signed_in(&server, "anna").await;
        assert_eq!(other.page().await.titles(), ["two", "one"]);
        // the session no longer holds the drafts
        browser.delete(&ids[0]).await;
        assert_eq!(browser.page().await.titles(), ["two"]);
    }
}

#[actix_web::test]
async fn message_about_one_draft_is_singular_and_follows_another_message() {
    let server = start();
    let browser = Browser::new(&server);
    browser.add("one").await;
    browser.sign_in("anna").await;
    browser.get("/test/message/Welcome.").await;
    assert_eq!(
        browser.page().await.message().unwrap(),
        "Welcome. 1 draft was moved to your tasks."
    );
}

#[actix_web::test]
async fn forms_from_before_the_sign_in_find_their_tasks() {
    let server = start();
    for (form, field, titles, message) in [
        (
            "done",
            ("done", "true"),
            vec!["two", "one"],
            "2 drafts were moved to your tasks.",
        ),
        (
            "title",
            ("title", "new"),
            vec!["two", "new"],
            "2 drafts were moved to your tasks.",
        ),
        (
            "delete",
            ("", ""),
            vec!["two"],
            "The task was deleted. 2 drafts were moved to your tasks.",
        ),
    ] {
        let browser = Browser::new(&server);
        let id = browser.add_task("one").await;
        browser.add("two").await;
        browser.sign_in(form).await;
        assert_eq!(browser.change(&id, form, field).await.status, 303);
        let page = browser.page().await;
        assert_eq!(
            (page.titles(), page.message().unwrap()),
            (titles.iter().map(ToString::to_string).collect(), message)
        );
    }
    let browser = Browser::new(&server);
    browser.add("one").await;
    browser.sign_in("add").await;
    let page = browser.add("").await;
    assert_eq!(
        (page.status, page.message().unwrap()),
        (422, "1 draft was moved to your tasks.")
    );
    assert_eq!(page.titles(), ["one"]);
}

#[actix_web::test]
async fn drafts_stay_in_the_session_until_the_list_has_room() {
    let server = start();
    let anna = Browser::signed_in(&server, "anna").await;
    for number in 0..998 {
        anna.add(&format!("{number}")).await;
    }
    let browser = Browser::new(&server);
    for title in ["a", "b", "c", "d"] {
        browser.add(title).await;
    }
    browser.sign_in("anna").await;
    let page = browser.page().await;
    assert_eq!(page.message().unwrap(), "2 drafts were moved to your tasks.");
    page.shows("2 drafts stay in this session because your list is full. Delete tasks to make room for them.");
    assert_eq!(page.titles()[..2], ["b", "a"]);
    // the notice stays while drafts remain, and the message is shown once
    let page = browser.page().await;
    assert_eq!(page.message(), None);
    page.shows("2 drafts stay");
    let ids = page.ids();
    browser.delete(&ids[50]).await;
    let page = browser.page().await;
    assert_eq!(
        page.message().unwrap(),
        "The task was deleted. 1 draft was moved to your tasks."
    );
    page.shows("1 draft stays in this session because your list is full. Delete tasks to make room for it.");
    browser.delete(&ids[51]).await;
    let page = browser.page().await;
    page.hides("this session");
    assert_eq!(page.titles()[..4], ["d", "c", "b", "a"]);
}

#[actix_web::test]
async fn failed_move_neither_loses_nor_duplicates_drafts() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let browser = Browser::new(&server);
    for title in ["one", "two"] {
        browser.add(title).await;
    }
    browser.sign_in("anna").await;
    // a value of another type under the list's key makes every command on it fail
    let () = redis.run(&["SET", "task:list:account-of-anna", "not a hash"]);
    for _ in 0..2 {
        assert_eq!(browser.get("/task/").await.status, 503);
    }
    let _: u64 = redis.run(&["DEL", "task:list:account-of-anna"]);

    // restores the session that still holds the drafts, as if its commit had failed after they became tasks
    let mut records: Vec<String> = redis.run(&["KEYS", "session:*"]);
    records.retain(|key| !key.starts_with("session:index:"));
    let holds_drafts = |key: &&String| redis.run::<String>(&["GET", key]).contains("draft:");
    let session = records.iter().find(holds_drafts).unwrap();
    let with_drafts: String = redis.run(&["GET", session]);
    browser.page().await;
    let () = redis.run(&["SET", session, &with_drafts, "EX", "100"]);
    let page = browser.page().await;
    assert_eq!(page.message().unwrap(), "2 drafts were moved to your tasks.");
    assert_eq!(page.titles(), ["two", "one"]);
    let record: String = redis.run(&["GET", session]);
    assert!(with_drafts.contains("draft:") && !record.contains("draft:"), "{record}");
}

#[actix_web::test]
async fn concurrent_drafts_are_all_kept_and_moved_once() {
    let redis = RedisServer::start();
    let servers: [Running; 2] = [(); 2].map(|()| start_with(&redis.url()));
    let servers: &'static [Running; 2] = Box::leak(Box::new(servers));
    for round in 0..ROUNDS {
        let browser = Browser::new(&servers[0]);
        let mut titles = HashSet::from(["first".to_owned()]);
        browser.add("first").await;
        let additions: Vec<_> = (0..40)
            .map(|number| {
                let browser = browser.at(&servers[number % 2]);
                titles.insert(format!("draft {number}"));
                rt::spawn(async move { assert_eq!(browser.add(&format!("draft {number}")).await.status, 303) })
            })
            .collect();
        for addition in additions {
            addition.await.unwrap();
        }
        assert_eq!(set(browser.page().await.titles()), titles, "round {round}");

        browser.sign_in(&format!("anna{round}")).await;
        let requests: Vec<_> = (0..10)
            .map(|number| {
                let browser = browser.at(&servers[number % 2]);
                rt::spawn(async move { browser.page().await.titles() })
            })
            .collect();
        for request in requests {
            assert_eq!(set(request.await.unwrap()), titles);
        }
        let page = browser.page().await;
        assert_eq!((page.titles().len(), page.message()), (titles.len(), None));
    }
}

#[actix_web::test]
async fn drafts_are_stored_in_php_formats() {
    let redis = RedisServer::start();
    for format in ["php", "php_serialize"] {
        let options = ["--session-store", &redis.url(), "--session-format", format];
        let server = Running::start(&task_service::SERVICE, support::routes, &options);
        let browser = Browser::new(&server);
        browser.add("할 일 \"x\"; 🙂").await;
        let id = browser.page().await.ids().swap_remove(0);
        browser.change(&id, "done", ("done", "true")).await;
        browser.page().await.shows("<p>1 draft, 1 done</p>");
        browser.sign_in(format).await;
        let page = browser.page().await;
        assert_eq!(page.titles(), ["할 일 &#34;x&#34;; 🙂"]);
        page.shows("<p>1 task, 1 done</p>");
    }
}
