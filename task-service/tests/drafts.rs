//! Drafts, which live in the session, and what becomes of them when another service signs their visitor in.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;

use actix_web::rt;
use service_kit::testing::Running;
use shared_session::testing::redis_server::RedisServer;

use support::{Person, start, start_with};

/// How often a race is run.
const ROUNDS: usize = 5;

fn set(titles: Vec<String>) -> HashSet<String> {
    titles.into_iter().collect()
}

#[actix_web::test]
async fn drafts_become_the_tasks_of_who_signs_in() {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        let person = Person::new(&server);
        let ids = [person.added("one").await, person.added("two").await];
        person.change(&ids[1], "done", ("done", "true")).await;
        person.sign_in("anna").await;
        let page = person.page().await;
        assert_eq!(page.message().unwrap(), "2 drafts are your tasks now.");
        page.shows("<h1>Your tasks</h1>");
        page.shows("<p>2 tasks, 1 done</p>");
        assert_eq!(
            (page.titles(), page.ids()),
            (vec!["one".into(), "two".into()], ids.to_vec())
        );
        // said once, and hers wherever she is
        assert_eq!(person.page().await.message(), None);
        let elsewhere = Person::signed_in(&server, "anna").await;
        assert_eq!(elsewhere.page().await.titles(), ["one", "two"]);
        // the drafts have left the session: the next person to sign in has none of them
        person.delete(&ids[0]).await;
        assert_eq!(person.page().await.titles(), ["two"]);
    }
}

#[actix_web::test]
async fn one_draft_is_told_in_the_singular_beside_another_message() {
    let server = start();
    let person = Person::new(&server);
    person.add("one").await;
    person.sign_in("anna").await;
    person.get("/tell/Welcome.").await;
    assert_eq!(
        person.page().await.message().unwrap(),
        "Welcome. 1 draft is your task now."
    );
}

#[actix_web::test]
async fn the_forms_of_a_page_from_before_the_sign_in_find_their_tasks() {
    let server = start();
    for (form, field, titles, message) in [
        (
            "done",
            ("done", "true"),
            vec!["one", "two"],
            "2 drafts are your tasks now.",
        ),
        (
            "title",
            ("title", "new"),
            vec!["new", "two"],
            "2 drafts are your tasks now.",
        ),
        (
            "delete",
            ("", ""),
            vec!["two"],
            "The task is deleted. 2 drafts are your tasks now.",
        ),
    ] {
        let person = Person::new(&server);
        let id = person.added("one").await;
        person.add("two").await;
        person.sign_in(form).await;
        assert_eq!(person.change(&id, form, field).await.status, 303);
        let page = person.page().await;
        assert_eq!(
            (page.titles(), page.message().unwrap()),
            (titles.iter().map(ToString::to_string).collect(), message.to_owned())
        );
    }
    let person = Person::new(&server);
    person.add("one").await;
    person.sign_in("add").await;
    let page = person.add("").await;
    assert_eq!(
        (page.status, page.message().unwrap()),
        (422, "1 draft is your task now.".to_owned())
    );
    assert_eq!(page.titles(), ["one"]);
}

#[actix_web::test]
async fn drafts_without_room_stay_and_follow_later() {
    let server = start();
    let anna = Person::signed_in(&server, "anna").await;
    for number in 0..998 {
        anna.add(&format!("{number}")).await;
    }
    let person = Person::new(&server);
    for title in ["a", "b", "c", "d"] {
        person.add(title).await;
    }
    person.sign_in("anna").await;
    let page = person.page().await;
    assert_eq!(page.message().unwrap(), "2 drafts are your tasks now.");
    page.shows("2 drafts wait in this session, since your list is full. Delete tasks to make room for them.");
    assert_eq!(page.titles()[998..], ["a", "b"]);
    // what is still so is still said, but nothing is announced that did not happen
    let page = person.page().await;
    assert_eq!(page.message(), None);
    page.shows("2 drafts wait");
    let ids = page.ids();
    person.delete(&ids[0]).await;
    let page = person.page().await;
    assert_eq!(
        page.message().unwrap(),
        "The task is deleted. 1 draft is your task now."
    );
    page.shows("1 draft waits in this session, since your list is full. Delete tasks to make room for it.");
    person.delete(&ids[1]).await;
    let page = person.page().await;
    page.hides("this session");
    assert_eq!(page.titles()[996..], ["a", "b", "c", "d"]);
}

#[actix_web::test]
async fn a_failure_midway_loses_no_draft_and_doubles_none() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let person = Person::new(&server);
    for title in ["one", "two"] {
        person.add(title).await;
    }
    person.sign_in("anna").await;
    // the list cannot be written: its key is no hash
    let () = redis.run(&["SET", "task:list:anna", "in the way"]);
    for _ in 0..2 {
        assert_eq!(person.get("/task/").await.status, 503);
    }
    let _: u64 = redis.run(&["DEL", "task:list:anna"]);

    // the session cannot be written, once the drafts are tasks: they are in both, for now
    let mut records: Vec<String> = redis.run(&["KEYS", "session:*"]);
    records.retain(|key| !key.starts_with("session:index:"));
    let holds_drafts = |key: &&String| redis.run::<String>(&["GET", key]).contains("draft:");
    let session = records.iter().find(holds_drafts).unwrap();
    let both: String = redis.run(&["GET", session]);
    person.page().await;
    let () = redis.run(&["SET", session, &both, "EX", "100"]);
    let page = person.page().await;
    assert_eq!(page.message().unwrap(), "2 drafts are your tasks now.");
    assert_eq!(page.titles(), ["one", "two"]);
    let left: String = redis.run(&["GET", session]);
    assert!(both.contains("draft:") && !left.contains("draft:"), "{left}");
}

#[actix_web::test]
async fn drafts_that_two_servers_add_at_once_are_all_there() {
    let redis = RedisServer::start();
    let servers: [Running; 2] = [(); 2].map(|()| start_with(&redis.url()));
    let servers: &'static [Running; 2] = Box::leak(Box::new(servers));
    for round in 0..ROUNDS {
        let person = Person::new(&servers[0]);
        let mut titles = HashSet::from(["first".to_owned()]);
        person.add("first").await;
        let adding: Vec<_> = (0..40)
            .map(|number| {
                let person = person.at(&servers[number % 2]);
                titles.insert(format!("draft {number}"));
                rt::spawn(async move { assert_eq!(person.add(&format!("draft {number}")).await.status, 303) })
            })
            .collect();
        for added in adding {
            added.await.unwrap();
        }
        assert_eq!(set(person.page().await.titles()), titles, "round {round}");

        // and all become tasks once, however many pages are asked for at once
        person.sign_in(&format!("anna{round}")).await;
        let asking: Vec<_> = (0..10)
            .map(|number| {
                let person = person.at(&servers[number % 2]);
                rt::spawn(async move { person.page().await.titles() })
            })
            .collect();
        for asked in asking {
            assert_eq!(set(asked.await.unwrap()), titles);
        }
        let page = person.page().await;
        assert_eq!((page.titles().len(), page.message()), (titles.len(), None));
    }
}

#[actix_web::test]
async fn drafts_are_kept_in_phps_formats_too() {
    let redis = RedisServer::start();
    for format in ["php", "php_serialize"] {
        let options = ["--session-store", &redis.url(), "--session-format", format];
        let server = Running::start(&task_service::SERVICE, support::routes, &options);
        let person = Person::new(&server);
        person.add("할 일 \"x\"; 🙂").await;
        let id = person.page().await.ids().swap_remove(0);
        person.change(&id, "done", ("done", "true")).await;
        person.page().await.shows("<p>1 draft, 1 done</p>");
        person.sign_in(format).await;
        let page = person.page().await;
        assert_eq!(page.titles(), ["할 일 &#34;x&#34;; 🙂"]);
        page.shows("<p>1 task, 1 done</p>");
    }
}
