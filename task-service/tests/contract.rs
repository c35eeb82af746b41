//! What every repository of tasks must hold, by concurrency where it is about that, on memory and on a real Redis.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;

use shared_session::testing::redis_server::RedisServer;
use task_service::task::{Change, Task};
use task_service::tasks::LIMIT;
use tokio::task::JoinSet;

use support::repository::{Bed, add, many, repository, task, title};

/// How often a race is run.
const ROUNDS: usize = 20;

async fn a_list_is_what_was_done_to_it(bed: &Bed) {
    let person = "anna";
    assert_eq!(bed.list(person).await.unwrap(), []);
    let mut tasks = many(3);
    // the order is that of their creation, however they were added
    for index in [2, 0, 1] {
        assert!(add(bed, person, &tasks[index]).await);
    }
    assert_eq!(bed.list(person).await.unwrap(), tasks);
    for (index, change) in [
        (0, Change::Done(true)),
        (0, Change::Title(title("<b> \"&'\\ 할 일 🙂"))),
        (1, Change::Done(true)),
        (1, Change::Done(false)),
        (2, Change::Done(false)),
        (2, Change::Title(title("task 2"))),
    ] {
        tasks[index].apply(&change);
        assert!(bed.update(person, &tasks[index].id, &change).await.unwrap());
        assert_eq!(bed.list(person).await.unwrap(), tasks);
    }
    let gone = tasks.remove(1);
    assert!(bed.remove(person, &gone.id).await.unwrap());
    assert_eq!(bed.list(person).await.unwrap(), tasks);
    assert!(!bed.remove(person, &gone.id).await.unwrap());
    assert!(!bed.update(person, &gone.id, &Change::Done(true)).await.unwrap());
    assert_eq!(bed.list(person).await.unwrap(), tasks);
}

async fn what_is_added_again_stays_as_it_is(bed: &Bed) {
    let (person, first) = ("berta", task("first"));
    assert!(add(bed, person, &first).await);
    assert!(bed.update(person, &first.id, &Change::Done(true)).await.unwrap());
    let again = bed
        .add(person, vec![first.clone(), task("second"), first.clone()])
        .await;
    assert_eq!(again.unwrap(), []);
    let list = bed.list(person).await.unwrap();
    let list: HashSet<(String, bool)> = list.iter().map(|task| (task.title.to_string(), task.done)).collect();
    assert_eq!(
        list,
        HashSet::from([("first".to_owned(), true), ("second".to_owned(), false)])
    );
}

async fn a_list_has_an_end(bed: &Bed) {
    let (person, tasks) = ("carla", many(LIMIT + 5));
    assert_eq!(bed.add(person, tasks[..LIMIT - 2].to_vec()).await.unwrap(), []);
    // the first ones that fit are taken, and what is there already needs no room
    let more: Vec<Task> = tasks[LIMIT - 4..].to_vec();
    assert_eq!(bed.add(person, more.clone()).await.unwrap(), tasks[LIMIT..]);
    assert_eq!(bed.add(person, more).await.unwrap(), tasks[LIMIT..]);
    assert_eq!(bed.list(person).await.unwrap(), tasks[..LIMIT]);
    assert!(!add(bed, person, &tasks[LIMIT]).await);
    assert!(bed.remove(person, &tasks[7].id).await.unwrap());
    assert!(add(bed, person, &tasks[LIMIT]).await);
    assert!(!add(bed, person, &tasks[LIMIT + 1]).await);
    // a full list is no other one's concern
    assert!(add(bed, "carl", &tasks[7]).await);
}

async fn nobody_sees_anothers(bed: &Bed) {
    let people = [
        "dora",
        "Dora",
        "dora ",
        "",
        ":",
        "list:dora",
        "dora:list",
        "*",
        "d\0ra",
        "d\nra",
        "도라",
        "task:list:dora",
        "{dora}",
        "🙂",
    ];
    let shared = task("whose?");
    for (number, person) in people.into_iter().enumerate() {
        let own = Task {
            title: title(&format!("of {number}")),
            ..shared.clone()
        };
        assert!(add(bed, person, &own).await);
    }
    assert!(bed.update(people[0], &shared.id, &Change::Done(true)).await.unwrap());
    assert!(bed.remove(people[1], &shared.id).await.unwrap());
    for (number, person) in people.into_iter().enumerate() {
        let list = bed.list(person).await.unwrap();
        let list: Vec<(String, bool)> = list.iter().map(|task| (task.title.to_string(), task.done)).collect();
        match number {
            1 => assert_eq!(list, []),
            _ => assert_eq!(list, [(format!("of {number}"), number == 0)], "{person:?}"),
        }
    }
}

async fn all_that_is_added_at_once_is_there(bed: &Bed) {
    let (person, tasks) = ("emma", many(50));
    let mut adding = JoinSet::new();
    for task in tasks.clone() {
        let bed = bed.clone();
        adding.spawn(async move { assert!(add(&bed, person, &task).await) });
    }
    adding.join_all().await;
    assert_eq!(bed.list(person).await.unwrap(), tasks);
}

async fn no_race_passes_the_limit(bed: &Bed) {
    for round in 0..ROUNDS {
        let person = format!("frida {round}");
        bed.add(&person, many(LIMIT - 5)).await.unwrap();
        let mut adding = JoinSet::new();
        for _ in 0..50 {
            let (bed, person) = (bed.clone(), person.clone());
            adding.spawn(async move { add(&bed, &person, &task("one more")).await });
        }
        let taken = adding.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 5);
        assert_eq!(bed.list(&person).await.unwrap().len(), LIMIT);
    }
}

async fn changes_of_one_task_do_not_undo_each_other(bed: &Bed) {
    for round in 0..ROUNDS {
        let (person, one) = (format!("greta {round}"), task("before"));
        assert!(add(bed, &person, &one).await);
        let mut changing = JoinSet::new();
        for number in 0..20 {
            let change = match number % 2 {
                0 => Change::Done(true),
                _ => Change::Title(title("after")),
            };
            let (bed, person, id) = (bed.clone(), person.clone(), one.id.clone());
            changing.spawn(async move { assert!(bed.update(&person, &id, &change).await.unwrap()) });
        }
        changing.join_all().await;
        let list = bed.list(&person).await.unwrap();
        assert_eq!((list[0].title.to_string().as_str(), list[0].done), ("after", true));
    }
}

async fn however_many_change_it_a_task_takes_all(bed: &Bed) {
    let (person, one) = ("hanna", task("before"));
    assert!(add(bed, person, &one).await);
    let mut changing = JoinSet::new();
    for number in 0..90 {
        let (bed, id) = (bed.clone(), one.id.clone());
        let change = Change::Title(title(&format!("title {number}")));
        changing.spawn(async move { assert!(bed.update(person, &id, &change).await.unwrap()) });
    }
    changing.join_all().await;
    assert!(
        bed.list(person).await.unwrap()[0]
            .title
            .to_string()
            .starts_with("title ")
    );
}

async fn a_deletion_is_final(bed: &Bed) {
    for round in 0..ROUNDS {
        let (person, one) = (format!("ida {round}"), task("going"));
        assert!(add(bed, &person, &one).await);
        let mut racing = JoinSet::new();
        for number in 0..20 {
            let (bed, person, id) = (bed.clone(), person.clone(), one.id.clone());
            racing.spawn(async move {
                if number == 10 {
                    return bed.remove(&person, &id).await.unwrap();
                }
                let change = Change::Title(title(&format!("title {number}")));
                bed.update(&person, &id, &change).await.unwrap();
                false
            });
        }
        let removed = racing.join_all().await.into_iter().filter(|removed| *removed).count();
        assert_eq!((removed, bed.list(&person).await.unwrap()), (1, Vec::new()));
    }
}

async fn one_of_many_deletions_is_told_so(bed: &Bed) {
    for round in 0..ROUNDS {
        let (person, one) = (format!("jana {round}"), task("going"));
        assert!(add(bed, &person, &one).await);
        let mut removing = JoinSet::new();
        for _ in 0..10 {
            let (bed, person, id) = (bed.clone(), person.clone(), one.id.clone());
            removing.spawn(async move { bed.remove(&person, &id).await.unwrap() });
        }
        let told = removing.join_all().await.into_iter().filter(|told| *told).count();
        assert_eq!(told, 1);
    }
}

async fn contract(bed: &Bed) {
    a_list_is_what_was_done_to_it(bed).await;
    what_is_added_again_stays_as_it_is(bed).await;
    a_list_has_an_end(bed).await;
    nobody_sees_anothers(bed).await;
    all_that_is_added_at_once_is_there(bed).await;
    no_race_passes_the_limit(bed).await;
    changes_of_one_task_do_not_undo_each_other(bed).await;
    however_many_change_it_a_task_takes_all(bed).await;
    a_deletion_is_final(bed).await;
    one_of_many_deletions_is_told_so(bed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_holds_the_contract() {
    contract(&repository(&[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_holds_the_contract() {
    let redis = RedisServer::start();
    contract(&repository(&["--session-store", &redis.url()])).await;
}
