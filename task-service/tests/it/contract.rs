//! The contract of `TaskRepository`: each check is a test on memory and a test on a real Redis.

use std::collections::HashSet;

use shared_session_testkit::servers::RedisServer;
use task_service::task::{Change, Task};
use task_service::tasks::{LIMIT, PAGE_SIZE, PageOf, TaskPage};
use tokio::task::JoinSet;

use crate::support::repository::{Repository, add, list, many, repository, task, title};

/// How often a check repeats a race.
const ROUNDS: usize = 20;

macro_rules! contract {
    ($($check:ident,)+) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $check() {
                    super::$check(&super::repository(&[])).await;
                }
            )+
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $check() {
                    let redis = super::RedisServer::start();
                    super::$check(&super::repository(&["--session-store", &redis.url()])).await;
                }
            )+
        }
    };
}

contract! {
    changes_are_listed,
    list_has_pages,
    adding_a_task_again_leaves_it_unchanged,
    list_holds_no_more_than_the_limit,
    users_have_separate_lists,
    concurrent_additions_are_all_kept,
    concurrent_additions_do_not_exceed_the_limit,
    concurrent_changes_of_different_properties_are_all_kept,
    many_concurrent_updates_all_succeed,
    deleted_task_is_not_restored_by_concurrent_updates,
    only_one_of_concurrent_removals_reports_success,
}

async fn changes_are_listed(repository: &Repository) {
    let user = "anna";
    assert_eq!(list(repository, user).await, []);
    let mut tasks = many(3);
    // the order is that of their creation, not of their addition
    for index in [2, 0, 1] {
        assert!(add(repository, user, &tasks[index]).await);
    }
    assert_eq!(list(repository, user).await, tasks);
    for (index, change) in [
        (0, Change::Done(true)),
        (0, Change::Title(title("<b> \"&'\\ 할 일 🙂"))),
        (1, Change::Done(true)),
        (1, Change::Done(false)),
        (2, Change::Done(false)),
        (2, Change::Title(title("task 2"))),
    ] {
        tasks[index].apply(&change);
        assert!(repository.update(user, &tasks[index].id, &change).await.unwrap());
        assert_eq!(list(repository, user).await, tasks);
    }
    let removed = tasks.remove(1);
    assert!(repository.remove(user, &removed.id).await.unwrap());
    assert_eq!(list(repository, user).await, tasks);
    assert!(!repository.remove(user, &removed.id).await.unwrap());
    let change = Change::Done(true);
    assert!(!repository.update(user, &removed.id, &change).await.unwrap());
    assert_eq!(list(repository, user).await, tasks);
}

async fn list_has_pages(repository: &Repository) {
    let (user, tasks) = ("paula", many(2 * PAGE_SIZE + 1));
    let page = async |wanted: PageOf<'_>| repository.page(user, wanted).await.unwrap();
    let empty = TaskPage {
        number: 1,
        total: 0,
        tasks: Vec::new(),
    };
    assert_eq!(page(PageOf::Number(1)).await, Some(empty.clone()));
    assert_eq!(page(PageOf::Number(7)).await, Some(empty));
    assert_eq!(page(PageOf::Task(&tasks[0].id)).await, None);
    repository.add(user, tasks.clone()).await.unwrap();
    let newest_first: Vec<Task> = tasks.iter().rev().cloned().collect();
    for (number, range) in [(1, 0..100), (2, 100..200), (3, 200..201)] {
        let expected = Some(TaskPage {
            number,
            total: 201,
            tasks: newest_first[range.clone()].to_vec(),
        });
        assert_eq!(page(PageOf::Number(number)).await, expected);
        for task in [&newest_first[range.start], &newest_first[range.end - 1]] {
            assert_eq!(page(PageOf::Task(&task.id)).await, expected);
        }
        for beyond in [4, usize::MAX] {
            assert_eq!(page(PageOf::Number(beyond)).await.unwrap().number, 3);
        }
        assert_eq!(page(PageOf::Number(0)).await.unwrap().number, 1);
    }
    assert_eq!(page(PageOf::Task(&task("other").id)).await, None);
}

async fn adding_a_task_again_leaves_it_unchanged(repository: &Repository) {
    let (user, first) = ("berta", task("first"));
    assert!(add(repository, user, &first).await);
    let change = Change::Done(true);
    assert!(repository.update(user, &first.id, &change).await.unwrap());
    let again = repository
        .add(user, vec![first.clone(), task("second"), first.clone()])
        .await;
    assert_eq!(again.unwrap(), []);
    let list = list(repository, user).await;
    let list: HashSet<(String, bool)> = list.iter().map(|task| (task.title.to_string(), task.done)).collect();
    assert_eq!(
        list,
        HashSet::from([("first".to_owned(), true), ("second".to_owned(), false)])
    );
}

async fn list_holds_no_more_than_the_limit(repository: &Repository) {
    let (user, tasks) = ("carla", many(LIMIT + 5));
    assert_eq!(repository.add(user, tasks[..LIMIT - 2].to_vec()).await.unwrap(), []);
    // the first tasks that fit are added, and those that are on the list already need no room
    let more: Vec<Task> = tasks[LIMIT - 4..].to_vec();
    assert_eq!(repository.add(user, more.clone()).await.unwrap(), tasks[LIMIT..]);
    assert_eq!(repository.add(user, more).await.unwrap(), tasks[LIMIT..]);
    assert_eq!(list(repository, user).await, tasks[..LIMIT]);
    assert!(!add(repository, user, &tasks[LIMIT]).await);
    assert!(repository.remove(user, &tasks[7].id).await.unwrap());
    assert!(add(repository, user, &tasks[LIMIT]).await);
    assert!(!add(repository, user, &tasks[LIMIT + 1]).await);
    // a full list does not affect another user
    assert!(add(repository, "carl", &tasks[7]).await);
}

async fn users_have_separate_lists(repository: &Repository) {
    let users = [
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
    let shared = task("a task whose id all users share");
    for (number, user) in users.into_iter().enumerate() {
        let own = Task {
            title: title(&format!("of {number}")),
            ..shared.clone()
        };
        assert!(add(repository, user, &own).await);
    }
    let change = Change::Done(true);
    assert!(repository.update(users[0], &shared.id, &change).await.unwrap());
    assert!(repository.remove(users[1], &shared.id).await.unwrap());
    for (number, user) in users.into_iter().enumerate() {
        let list = list(repository, user).await;
        let list: Vec<(String, bool)> = list.iter().map(|task| (task.title.to_string(), task.done)).collect();
        match number {
            1 => assert_eq!(list, []),
            _ => assert_eq!(list, [(format!("of {number}"), number == 0)], "{user:?}"),
        }
    }
}

async fn concurrent_additions_are_all_kept(repository: &Repository) {
    let (user, tasks) = ("emma", many(50));
    let mut additions = JoinSet::new();
    for task in tasks.clone() {
        let repository = repository.clone();
        additions.spawn(async move { assert!(add(&repository, user, &task).await) });
    }
    additions.join_all().await;
    assert_eq!(list(repository, user).await, tasks);
}

async fn concurrent_additions_do_not_exceed_the_limit(repository: &Repository) {
    for round in 0..ROUNDS {
        let user = format!("frida {round}");
        repository.add(&user, many(LIMIT - 5)).await.unwrap();
        let mut additions = JoinSet::new();
        for _ in 0..50 {
            let (repository, user) = (repository.clone(), user.clone());
            additions.spawn(async move { add(&repository, &user, &task("one more")).await });
        }
        let added = additions.join_all().await.into_iter().filter(|added| *added).count();
        assert_eq!(added, 5);
        assert_eq!(list(repository, &user).await.len(), LIMIT);
    }
}

async fn concurrent_changes_of_different_properties_are_all_kept(repository: &Repository) {
    for round in 0..ROUNDS {
        let (user, task) = (format!("greta {round}"), task("before"));
        assert!(add(repository, &user, &task).await);
        let mut updates = JoinSet::new();
        for number in 0..20 {
            let change = match number % 2 {
                0 => Change::Done(true),
                _ => Change::Title(title("after")),
            };
            let (repository, user, id) = (repository.clone(), user.clone(), task.id.clone());
            updates.spawn(async move { assert!(repository.update(&user, &id, &change).await.unwrap()) });
        }
        updates.join_all().await;
        let list = list(repository, &user).await;
        assert_eq!((list[0].title.to_string().as_str(), list[0].done), ("after", true));
    }
}

async fn many_concurrent_updates_all_succeed(repository: &Repository) {
    let (user, task) = ("hanna", task("before"));
    assert!(add(repository, user, &task).await);
    let mut updates = JoinSet::new();
    for number in 0..90 {
        let (repository, id) = (repository.clone(), task.id.clone());
        let change = Change::Title(title(&format!("title {number}")));
        updates.spawn(async move { assert!(repository.update(user, &id, &change).await.unwrap()) });
    }
    updates.join_all().await;
    let list = list(repository, user).await;
    assert!(list[0].title.to_string().starts_with("title "));
}

async fn deleted_task_is_not_restored_by_concurrent_updates(repository: &Repository) {
    for round in 0..ROUNDS {
        let (user, task) = (format!("ida {round}"), task("before"));
        assert!(add(repository, &user, &task).await);
        let mut operations = JoinSet::new();
        for number in 0..20 {
            let (repository, user, id) = (repository.clone(), user.clone(), task.id.clone());
            operations.spawn(async move {
                if number == 10 {
                    return repository.remove(&user, &id).await.unwrap();
                }
                let change = Change::Title(title(&format!("title {number}")));
                repository.update(&user, &id, &change).await.unwrap();
                false
            });
        }
        let results = operations.join_all().await;
        let removed = results.into_iter().filter(|removed| *removed).count();
        assert_eq!((removed, list(repository, &user).await), (1, Vec::new()));
    }
}

async fn only_one_of_concurrent_removals_reports_success(repository: &Repository) {
    for round in 0..ROUNDS {
        let (user, task) = (format!("jana {round}"), task("before"));
        assert!(add(repository, &user, &task).await);
        let mut removals = JoinSet::new();
        for _ in 0..10 {
            let (repository, user, id) = (repository.clone(), user.clone(), task.id.clone());
            removals.spawn(async move { repository.remove(&user, &id).await.unwrap() });
        }
        let removed = removals.join_all().await.into_iter().filter(|removed| *removed).count();
        assert_eq!(removed, 1);
    }
}
