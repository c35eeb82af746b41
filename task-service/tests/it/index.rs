//! The page `/task/` and its forms, for signed-in and signed-out users, in memory and over Redis.

use service_kit::site::lecture;
use shared_session_testkit::servers::RedisServer;

use crate::support;
use crate::support::{Browser, TaskPage, start, start_with};

/// Runs a test on both stores: as a signed-in user, as a signed-out one, and as the lecture's user, who counts as signed out.
async fn for_each_user(test: impl AsyncFn(&Browser)) {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        test(&Browser::signed_in(&server, "anna").await).await;
        test(&Browser::new(&server)).await;
        let lecture_user = Browser::new(&server);
        lecture_user
            .set_field("userid", &format!("{:?}", lecture::USER_ID))
            .await;
        test(&lecture_user).await;
    }
}

#[actix_web::test]
async fn tasks_are_added_completed_renamed_and_deleted() {
    for_each_user(async |browser| {
        browser.page().await.shows("This list is empty.");
        for title in ["one", " two ", "three"] {
            assert_eq!(browser.add(title).await.redirects_to(), Some("/task/"));
        }
        let page = browser.page().await;
        // the newest first, right below the form
        assert_eq!(page.titles(), ["three", "two", "one"]);
        let ids: Vec<String> = page.ids().into_iter().rev().collect();
        let address = |id: &str| format!("/task/#task-{id}");

        // the form holds the new state, so it can be submitted twice
        let done = format!("/task/{}/done", ids[1]);
        for _ in 0..2 {
            let response = browser.post(&done, &[("done", "true")]).await;
            assert_eq!(response.redirects_to(), Some(&*address(&ids[1])));
            let page = browser.page().await;
            page.shows(", 1 done</p>");
            page.shows(&format!("<li class=\"task done\" id=\"task-{}\">", ids[1]));
            page.shows("aria-label=\"Not done: two\"");
            page.shows("aria-label=\"Done: one\"");
        }
        browser.post(&done, &[("done", "false")]).await;
        browser.page().await.shows(", 0 done</p>");

        let renamed = browser.change(&ids[0], "title", ("title", "first")).await;
        assert_eq!(renamed.redirects_to(), Some(&*address(&ids[0])));
        assert_eq!(browser.page().await.titles(), ["three", "two", "first"]);

        assert_eq!(browser.delete(&ids[1]).await.redirects_to(), Some("/task/"));
        let page = browser.page().await;
        assert_eq!(page.titles(), ["three", "first"]);
        assert!(page.message().unwrap().ends_with("was deleted."));
        assert_eq!(page.ids(), [&*ids[2], &*ids[0]]);
        assert_eq!(browser.page().await.message(), None);
    })
    .await;
}

#[actix_web::test]
async fn invalid_title_is_kept_beside_its_error() {
    let too_long = "할".repeat(201);
    for_each_user(async |browser| {
        let id = browser.add_task("one").await;
        let rename = format!("/task/{id}/title");
        for (typed, error) in [
            ("", "Enter a title."),
            (" \t ", "Enter a title."),
            (
                &*too_long,
                "The title is too long. It has 201 characters, and at most 200 are allowed.",
            ),
        ] {
            let page = browser.add(typed).await;
            assert_eq!(page.status, 422);
            assert_eq!(page.error("new-title"), Some(error));
            assert_eq!(page.value("new-title"), typed);
            assert_eq!(page.titles(), ["one"]);
            page.hides("<details open>");

            let page = browser.post(&rename, &[("title", typed)]).await;
            assert_eq!(page.status, 422);
            assert_eq!(page.error(&format!("title-{id}")), Some(error));
            assert_eq!(page.invalid_fields(), [format!("title-{id}")]);
            assert_eq!(page.value(&format!("title-{id}")), typed);
            assert_eq!(page.value("new-title"), "");
            page.shows("<details open>");
            assert_eq!(page.titles(), ["one"]);
        }
        // a missing field counts as empty
        for path in ["/task/", &rename] {
            assert_eq!(
                browser.post(path, &[("other", "x")]).await.invalid_fields().len(),
                1,
                "{path}"
            );
        }
        assert_eq!(browser.page().await.invalid_fields(), [""; 0]);
    })
    .await;
}

#[actix_web::test]
async fn unknown_task_is_not_found() {
    for_each_user(async |browser| {
        browser.add("one").await;
        for id in [
            "0123456789abcdef",
            "0123456789ABCDEF",
            "x",
            "..",
            "draft",
            "0123456789abcdef0",
        ] {
            for (form, field) in [
                ("done", ("done", "true")),
                ("title", ("title", "x")),
                ("title", ("title", "")),
                ("delete", ("a", "b")),
            ] {
                let response = browser.change(id, form, field).await;
                assert_eq!(response.status, 404, "{id} {form}");
                response.hides(if id == "0123456789abcdef" {
                    "mistyped"
                } else {
                    "No longer here"
                });
            }
        }
        assert_eq!(browser.page().await.titles(), ["one"]);
    })
    .await;
}

#[actix_web::test]
async fn malformed_form_changes_nothing() {
    for_each_user(async |browser| {
        let id = browser.add_task("one").await;
        for form in [&[("done", "perhaps")][..], &[("done", "")], &[]] {
            assert_eq!(browser.post(&format!("/task/{id}/done"), form).await.status, 422);
        }
        let duplicate = browser.post("/task/", &[("title", "a"), ("title", "b")]);
        assert_eq!(duplicate.await.status, 400);
        assert_eq!(browser.add(&"x".repeat(20_000)).await.status, 413);
        // the address of a form leads to its task
        for form in ["done", "title", "delete"] {
            let led = browser.get(&format!("/task/{id}/{form}?page=3")).await;
            assert_eq!(led.redirects_to(), Some(&*format!("/task/?page=3#task-{id}")));
        }
        let page = browser.page().await;
        assert_eq!(page.titles(), ["one"]);
        page.shows(", 0 done</p>");
    })
    .await;
}

#[actix_web::test]
async fn title_is_escaped() {
    for_each_user(async |browser| {
        let title = "</title><script>alert(\"1\")</script>&lt;'";
        let escaped = "&#60;/title&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;lt;&#39;";
        let id = browser.add_task("one").await;
        browser.add(title).await;
        let page = browser.page().await;
        assert_eq!(page.titles(), [escaped, "one"]);
        // in the list, in the form field, and in three labels
        assert_eq!(page.html.matches(escaped).count(), 5);
        assert!(!page.html.contains("<script"));
        let too_long = format!("{title}{}", "x".repeat(200));
        for path in ["/task/".to_owned(), format!("/task/{id}/title")] {
            let page = browser.post(&path, &[("title", &too_long)]).await;
            assert_eq!(page.status, 422);
            page.hides("<script");
        }
    })
    .await;
}

#[actix_web::test]
async fn html_ids_are_unique_and_each_label_has_a_field() {
    for_each_user(async |browser| {
        for title in ["same", "same", "same"] {
            browser.add(title).await;
        }
        let page = browser.page().await;
        let values = |attribute: &str| -> Vec<String> {
            let parts = page.html.split(attribute).skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        let (ids, labels) = (values(" id=\""), values(" for=\""));
        let unique: std::collections::HashSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(labels.len(), 4);
        assert!(labels.iter().all(|label| unique.contains(label)));
    })
    .await;
}

#[actix_web::test]
async fn full_list_rejects_another_task() {
    let server = start();
    let fill = async |browser: &Browser, limit: usize, error: &str| {
        for number in 0..limit {
            assert_eq!(browser.add(&format!("{number}")).await.status, 303);
        }
        let page = browser.add("one more").await;
        assert_eq!(page.status, 409);
        assert_eq!(page.error("new-title"), Some(error));
        assert_eq!(page.value("new-title"), "one more");
        assert_eq!(page.titles().len(), limit.min(100));
        // the title is checked before the limit, and a full list can still be changed
        assert_eq!(browser.add("").await.status, 422);
        let id = page.ids().swap_remove(1);
        assert_eq!(browser.change(&id, "title", ("title", "x")).await.status, 303);
        assert_eq!(browser.delete(&id).await.status, 303);
        assert_eq!(browser.add("one more").await.status, 303);
        assert_eq!(browser.page().await.titles()[0], "one more");
    };
    let anna = Browser::signed_in(&server, "anna").await;
    fill(
        &anna,
        1000,
        "Your list is full: it holds 1000 tasks. Delete a task first.",
    )
    .await;
    let signed_out = Browser::new(&server);
    fill(
        &signed_out,
        50,
        "Your list is full: it holds 50 drafts. Delete a draft first, or sign in to keep more.",
    )
    .await;
}

/// The largest list that a user can make: every title as long as allowed, in characters and in bytes.
#[actix_web::test]
async fn long_list_has_pages_of_limited_size() {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        let anna = Browser::signed_in(&server, "anna").await;
        for number in 0..1000 {
            let title = format!("{number:03}{}", "할".repeat(197));
            assert_eq!(anna.add(&title).await.status, 303);
        }
        let first = anna.page().await;
        first.shows("<p>1000 tasks; this page shows 1 to 100</p>");
        first.shows("href=\"/task/?page=2\" rel=\"next\">Older</a>");
        first.hides("rel=\"prev\"");
        assert!(first.html.len() < 512 * 1024, "{} bytes", first.html.len());
        // how many tasks are newer than each
        let numbers = |page: &support::Response| -> Vec<usize> {
            let titles = page.titles();
            titles
                .iter()
                .map(|title| 999 - title[..3].parse::<usize>().unwrap())
                .collect()
        };
        assert_eq!(numbers(&first), (0..100).collect::<Vec<_>>());
        for (address, expected) in [("?page=10", 900..1000), ("?page=999", 900..1000), ("?page=0", 0..100)] {
            let page = anna.get(&format!("/task/{address}")).await;
            assert_eq!(numbers(&page), expected.collect::<Vec<_>>(), "{address}");
        }
        assert_eq!(anna.get("/task/?page=x").await.status, 400);
        // the forms of a page lead back to it
        let page = anna.get("/task/?page=3").await;
        let id = &page.ids()[0];
        for form in ["done", "title", "delete"] {
            page.shows(&format!("action=\"/task/{id}/{form}?page=3\""));
        }
        let done = anna.post(&format!("/task/{id}/done?page=3"), &[("done", "true")]).await;
        assert_eq!(done.redirects_to(), Some(&*format!("/task/?page=3#task-{id}")));
        let invalid = anna.post(&format!("/task/{id}/title"), &[("title", "")]).await;
        assert_eq!((invalid.status, numbers(&invalid)[0]), (422, 200));
        let deleted = anna.post(&format!("/task/{id}/delete?page=3"), &[]).await;
        assert_eq!(deleted.redirects_to(), Some("/task/?page=3"));
        // a new task is on the first page
        page.shows("<form class=\"add\" method=\"post\" action=\"/task/\">");
        assert_eq!(anna.add("new").await.redirects_to(), Some("/task/"));
        assert_eq!(anna.page().await.titles()[0], "new");
    }
}

#[actix_web::test]
async fn form_of_a_task_that_is_gone_says_so() {
    let server = start();
    for (browser, reason) in [
        (
            Browser::signed_in(&server, "anna").await,
            "It may have been deleted on another device.",
        ),
        (Browser::new(&server), "This draft is not in your session any more."),
    ] {
        let id = browser.add_task("one").await;
        browser.delete(&id).await;
        let response = browser.delete(&id).await;
        assert_eq!(response.status, 404);
        response.shows("<h1>No longer here</h1>");
        response.shows(reason);
        response.shows("href=\"/task/\">Go to Tasks</a>");
    }
}

#[actix_web::test]
async fn users_cannot_see_or_change_each_others_lists() {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        let anna = Browser::signed_in(&server, "anna").await;
        let berta = Browser::signed_in(&server, "berta").await;
        let signed_out = Browser::new(&server);
        let other = Browser::new(&server);
        let task = anna.add_task("task").await;
        let draft = signed_out.add_task("draft").await;
        for (browser, id) in [(&berta, &task), (&signed_out, &task), (&other, &draft), (&anna, &draft)] {
            assert_eq!(browser.delete(id).await.status, 404);
            assert_eq!(browser.change(id, "title", ("title", "x")).await.status, 404);
            assert_eq!(browser.change(id, "done", ("done", "true")).await.status, 404);
        }
        // the same user in another browser sees the same list
        let again = Browser::signed_in(&server, "anna").await;
        assert_eq!(again.page().await.titles(), ["task"]);
        assert_eq!(signed_out.page().await.titles(), ["draft"]);
        for browser in [berta, other] {
            assert_eq!(browser.page().await.titles(), Vec::<String>::new());
        }
    }
}

#[actix_web::test]
async fn page_shows_the_user_and_the_navigation() {
    let server = start();
    let page = Browser::new(&server).page().await;
    for part in [
        "<h1>Draft tasks</h1>",
        "href=\"/user/login?next=/task/\"",
        "href=\"/user/register\"",
        "<label for=\"new-title\">New task</label>",
    ] {
        page.shows(part);
    }
    let anna = Browser::signed_in(&server, "anna").await;
    anna.add("one").await;
    let page = anna.page().await;
    for part in ["<h1>Your tasks</h1>", "<strong>ANNA</strong>", "<p>1 task, 0 done</p>"] {
        page.shows(part);
    }
    page.hides("/user/login");
}

#[actix_web::test]
async fn the_lectures_user_counts_as_signed_out() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let browsers = [Browser::new(&server), Browser::new(&server)];
    for browser in &browsers {
        browser.set_field("userid", &format!("{:?}", lecture::USER_ID)).await;
        assert_eq!(browser.page().await.titles(), Vec::<String>::new());
        browser.add("a draft").await;
        browser.page().await.shows("<h1>Draft tasks</h1>");
    }
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "task:*"]), Vec::<String>::new());
}
