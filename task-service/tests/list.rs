//! The page `/task/`: what can be done to a list, and what is said where it cannot. The same for somebody's tasks and for
//! nobody's drafts, in memory and over Redis.

#![allow(clippy::unwrap_used)]

mod support;

use service_kit::site::lecture;
use shared_session::testing::redis_server::RedisServer;

use support::{Person, start, start_with};

/// Runs a test as Anna, as nobody, and as the lecture's visitor, who is nobody too; on both kinds of store.
async fn for_everybody(test: impl AsyncFn(&Person<'_>)) {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        test(&Person::signed_in(&server, "anna").await).await;
        test(&Person::new(&server)).await;
        let lecture = Person::new(&server);
        lecture.set("userid", &format!("{:?}", lecture::USER_ID)).await;
        test(&lecture).await;
    }
}

#[actix_web::test]
async fn a_task_is_added_ticked_renamed_and_deleted() {
    for_everybody(async |person| {
        person.page().await.shows("There is nothing on this list yet.");
        for title in ["one", " two ", "three"] {
            assert!(person.add(title).await.leads_to("/task/"));
        }
        let page = person.page().await;
        assert_eq!(page.titles(), ["one", "two", "three"]);
        let ids = page.ids();
        let place = |id: &str| format!("/task/#task-{id}");

        // the state is sent, not a switch, so twice is once
        let done = format!("/task/{}/done", ids[1]);
        for _ in 0..2 {
            assert!(person.post(&done, &[("done", "true")]).await.leads_to(&place(&ids[1])));
            let page = person.page().await;
            page.shows(", 1 done</p>");
            page.shows(&format!("<li class=\"task done\" id=\"task-{}\">", ids[1]));
            page.shows("aria-label=\"Not done: two\"");
            page.shows("aria-label=\"Done: one\"");
        }
        person.post(&done, &[("done", "false")]).await;
        person.page().await.shows(", 0 done</p>");

        let renamed = person.change(&ids[0], "title", ("title", "first")).await;
        assert!(renamed.leads_to(&place(&ids[0])));
        assert_eq!(person.page().await.titles(), ["first", "two", "three"]);

        assert!(person.delete(&ids[1]).await.leads_to("/task/"));
        let page = person.page().await;
        assert_eq!(page.titles(), ["first", "three"]);
        assert!(page.message().unwrap().ends_with("is deleted."));
        assert_eq!(page.ids(), [&*ids[0], &*ids[2]]);
        assert_eq!(person.page().await.message(), None);
    })
    .await;
}

#[actix_web::test]
async fn a_wrong_title_is_told_beside_its_field_and_kept_there() {
    let too_long = "할".repeat(201);
    for_everybody(async |person| {
        let id = person.added("one").await;
        let rename = format!("/task/{id}/title");
        for (typed, said) in [
            ("", "Please say what is to be done."),
            (" \t ", "Please say what is to be done."),
            (&*too_long, "A title has at most 200 characters; this one has 201."),
        ] {
            let page = person.add(typed).await;
            assert_eq!(page.status, 422);
            assert_eq!(page.errors(), [("new-title".to_owned(), said.to_owned())]);
            assert_eq!(page.value_of("new-title"), typed);
            assert_eq!(page.titles(), ["one"]);
            page.hides("<details open>");

            let page = person.post(&rename, &[("title", typed)]).await;
            assert_eq!(page.status, 422);
            assert_eq!(page.errors(), [(format!("title-{id}"), said.to_owned())]);
            assert_eq!(page.value_of(&format!("title-{id}")), typed);
            assert_eq!(page.value_of("new-title"), "");
            page.shows("<details open>");
            assert_eq!(page.titles(), ["one"]);
        }
        // a form without its field is one with an empty field
        for path in ["/task/", &rename] {
            assert_eq!(person.post(path, &[("other", "x")]).await.errors().len(), 1, "{path}");
        }
        assert_eq!(person.page().await.errors(), []);
    })
    .await;
}

#[actix_web::test]
async fn what_is_not_on_the_list_is_not_found() {
    for_everybody(async |person| {
        person.add("one").await;
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
                let answer = person.change(id, form, field).await;
                assert_eq!(answer.status, 404, "{id} {form}");
                answer.shows("Page not found");
            }
        }
        assert_eq!(person.page().await.titles(), ["one"]);
    })
    .await;
}

#[actix_web::test]
async fn a_form_that_no_page_sends_changes_nothing() {
    for_everybody(async |person| {
        let id = person.added("one").await;
        for form in [&[("done", "perhaps")][..], &[("done", "")], &[]] {
            assert_eq!(person.post(&format!("/task/{id}/done"), form).await.status, 422);
        }
        let twice = person.post("/task/", &[("title", "a"), ("title", "b")]);
        assert_eq!(twice.await.status, 400);
        assert_eq!(person.add(&"x".repeat(20_000)).await.status, 413);
        for form in ["done", "title", "delete"] {
            assert_eq!(person.get(&format!("/task/{id}/{form}")).await.status, 405);
        }
        let page = person.page().await;
        assert_eq!(page.titles(), ["one"]);
        page.shows(", 0 done</p>");
    })
    .await;
}

#[actix_web::test]
async fn a_script_in_a_title_is_text() {
    for_everybody(async |person| {
        let title = "</title><script>alert(\"1\")</script>&lt;'";
        let shown = "&#60;/title&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;lt;&#39;";
        let id = person.added("one").await;
        person.add(title).await;
        let page = person.page().await;
        assert_eq!(page.titles(), ["one", shown]);
        // as it came, in the field too, and in the names of all four buttons
        assert_eq!(page.html.matches(shown).count(), 5);
        assert!(!page.html.contains("<script"));
        let again = format!("{title}{}", "x".repeat(200));
        for path in ["/task/".to_owned(), format!("/task/{id}/title")] {
            let page = person.post(&path, &[("title", &again)]).await;
            assert_eq!(page.status, 422);
            page.hides("<script");
        }
    })
    .await;
}

#[actix_web::test]
async fn no_two_fields_have_one_id_and_each_label_has_its_field() {
    for_everybody(async |person| {
        for title in ["same", "same", "same"] {
            person.add(title).await;
        }
        let page = person.page().await;
        let all = |before: &str| -> Vec<String> {
            let parts = page.html.split(before).skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        let (ids, labels) = (all(" id=\""), all(" for=\""));
        let unique: std::collections::HashSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(labels.len(), 4);
        assert!(labels.iter().all(|label| unique.contains(label)));
    })
    .await;
}

#[actix_web::test]
async fn a_list_has_an_end_and_says_so() {
    let server = start();
    let full = async |person: &Person<'_>, limit: usize, said: &str| {
        for number in 0..limit {
            assert_eq!(person.add(&format!("{number}")).await.status, 303);
        }
        let page = person.add("one more").await;
        assert_eq!(page.status, 409);
        assert_eq!(page.errors(), [("new-title".to_owned(), said.to_owned())]);
        assert_eq!(page.value_of("new-title"), "one more");
        assert_eq!(page.titles().len(), limit);
        // a wrong title is wrong first, and a full list can still be changed
        assert_eq!(person.add("").await.status, 422);
        let id = page.ids().swap_remove(1);
        assert_eq!(person.change(&id, "title", ("title", "x")).await.status, 303);
        assert_eq!(person.delete(&id).await.status, 303);
        assert_eq!(person.add("one more").await.status, 303);
        assert_eq!(person.page().await.titles().last().unwrap(), "one more");
    };
    let anna = Person::signed_in(&server, "anna").await;
    full(&anna, 1000, "Your list is full: it has 1000 tasks. Delete one first.").await;
    let nobody = Person::new(&server);
    full(
        &nobody,
        50,
        "There is room for 50 drafts. Delete one first, or sign in to keep more.",
    )
    .await;
}

#[actix_web::test]
async fn nobody_sees_or_changes_anothers_list() {
    let redis = RedisServer::start();
    for server in [start(), start_with(&redis.url())] {
        let anna = Person::signed_in(&server, "anna").await;
        let (berta, nobody, other) = (
            Person::signed_in(&server, "berta").await,
            Person::new(&server),
            Person::new(&server),
        );
        let annas = anna.added("annas").await;
        let draft = nobody.added("draft").await;
        for (person, id) in [(&berta, &annas), (&nobody, &annas), (&other, &draft), (&anna, &draft)] {
            assert_eq!(person.delete(id).await.status, 404);
            assert_eq!(person.change(id, "title", ("title", "x")).await.status, 404);
            assert_eq!(person.change(id, "done", ("done", "true")).await.status, 404);
        }
        // from another browser she sees her own
        let again = Person::signed_in(&server, "anna").await;
        assert_eq!(again.page().await.titles(), ["annas"]);
        assert_eq!(nobody.page().await.titles(), ["draft"]);
        for person in [berta, other] {
            assert_eq!(person.page().await.titles(), Vec::<String>::new());
        }
    }
}

#[actix_web::test]
async fn the_page_says_whose_the_list_is_and_where_to_go() {
    let server = start();
    let nobody = Person::new(&server).page().await;
    for part in [
        "<h1>Draft tasks</h1>",
        "href=\"/user/login?next=/task/\"",
        "href=\"/user/register\"",
        "href=\"/user/redis_session_set\"",
        "href=\"/task/redis_session_get\"",
        "<label for=\"new-title\">New task</label>",
    ] {
        nobody.shows(part);
    }
    let anna = Person::signed_in(&server, "anna").await;
    anna.add("one").await;
    let page = anna.page().await;
    for part in ["<h1>Your tasks</h1>", "<strong>ANNA</strong>", "<p>1 task, 0 done</p>"] {
        page.shows(part);
    }
    page.hides("/user/login");
}

#[actix_web::test]
async fn the_lectures_visitor_is_nobody() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let visitors = [Person::new(&server), Person::new(&server)];
    for visitor in &visitors {
        visitor.set("userid", &format!("{:?}", lecture::USER_ID)).await;
        assert_eq!(visitor.page().await.titles(), Vec::<String>::new());
        visitor.add("a draft").await;
        visitor.page().await.shows("<h1>Draft tasks</h1>");
    }
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "task:*"]), Vec::<String>::new());
}
