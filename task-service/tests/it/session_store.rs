//! The page and the session store: how many commands a request sends, and what happens if Redis is unavailable or a
//! stored value is invalid.

use service_kit::testing::Running;
use shared_session_testkit::servers::RedisServer;

use crate::support;
use crate::support::{Browser, TaskPage, start_with};

#[actix_web::test]
async fn request_without_a_session_does_not_connect_to_redis() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let browser = Browser::new(&server);
    let connections = redis.connections();
    for path in ["/task/", "/task/"] {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.cookie()), (200, None));
    }
    // an invalid form creates no session
    assert_eq!(browser.add("").await.cookie(), None);
    // the only new connection is that of this query
    assert_eq!(redis.connections(), connections + 1);
    assert_eq!(redis.run::<u64>(&["DBSIZE"]), 0);
    assert!(browser.add("one").await.cookie().is_some());
}

#[actix_web::test]
async fn page_reads_with_one_command_each_for_session_and_tasks() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let signed_in = Browser::signed_in(&server, "anna").await;
    signed_in.add("one").await;
    let signed_out = Browser::new(&server);
    signed_out.add("one").await;
    for (browser, expected) in [(signed_in, [1, 1, 0]), (signed_out, [1, 0, 0])] {
        let () = redis.run(&["CONFIG", "RESETSTAT"]);
        browser.page().await;
        let calls = ["getex", "eval", "evalsha"].map(|command| redis.calls(&[command]));
        assert_eq!(calls, expected);
    }
}

#[actix_web::test]
async fn without_redis_sessions_get_503_and_other_requests_get_the_page() {
    let mut redis = RedisServer::start();
    let server = Running::start(
        &task_service::SERVICE,
        support::routes,
        &["--session-store", &redis.url()],
    );
    let anna = Browser::signed_in(&server, "anna").await;
    let id = anna.add_task("one").await;
    redis.kill();
    for response in [
        anna.get("/task/").await,
        anna.add("two").await,
        anna.delete(&id).await,
        Browser::new(&server).add("a draft").await,
    ] {
        assert_eq!((response.status, response.cookie()), (503, None));
        response.shows("/task/style.css");
        response.shows("href=\"/task/\">Go to Tasks</a>");
    }
    // the form can be sent again, although the handler was never called
    let form = [("user", "anna"), ("title", "buy <milk>")];
    let failed = anna.post("/task/?page=2", &form).await;
    failed.shows("Nothing was changed.");
    failed.shows("<form class=\"card\" method=\"post\" action=\"/task/?page=2\">");
    failed.shows("<input type=\"hidden\" name=\"user\" value=\"anna\">");
    assert_eq!(failed.value("title"), "buy &#60;milk&#62;");
    // a draft may have been stored
    let failed = Browser::new(&server).add("a draft").await;
    failed.shows("What you sent may have been carried out: look before you send it again.");
    assert_eq!(failed.value("title"), "a draft");
    anna.get("/task/").await.hides("carried out");
    Browser::new(&server).page().await.shows("<h1>Draft tasks</h1>");
    redis.restart(&[]);
    for _ in 0..100 {
        let page = anna.get("/task/").await;
        if page.status == 200 {
            return assert_eq!(page.titles(), ["one"]);
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the page is still unavailable after Redis restarted");
}

#[actix_web::test]
async fn draft_that_does_not_fit_into_the_session_can_be_shortened() {
    let size = ["--session-max-size", "1KiB"];
    let server = Running::start(&task_service::SERVICE, support::routes, &size);
    let browser = Browser::new(&server);
    assert_eq!(browser.add("one").await.status, 303);
    let long = "할".repeat(200);
    let mut page = browser.add(&long).await;
    while page.status == 303 {
        page = browser.add(&long).await;
    }
    assert_eq!((page.status, page.value("title")), (413, &*long));
    page.shows("Your session is full. Nothing was changed.");
    assert_eq!(browser.add("two").await.status, 303);
    assert_eq!(browser.page().await.titles()[0], "two");
}

/// The message of a deletion is stored in the session, which Redis refuses to change here.
#[actix_web::test]
async fn deletion_is_reported_although_the_session_was_not_stored() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let anna = Browser::signed_in(&server, "anna").await;
    let id = anna.add_task("one").await;
    let () = redis.run(&["ACL", "SETUSER", "default", "-evalsha"]);
    let done = anna.delete(&id).await;
    assert_eq!(done.status, 200, "{}", done.html);
    done.shows("<h1>Your list was changed</h1>");
    assert_eq!(redis.run::<u64>(&["EXISTS", "task:list:account-of-anna"]), 0);
    // a draft is in the session itself
    let signed_out = Browser::new(&server);
    let () = redis.run(&["ACL", "SETUSER", "default", "-set"]);
    assert_eq!(signed_out.add("a draft").await.status, 503);
}

#[actix_web::test]
async fn invalid_task_is_an_error_and_can_be_deleted() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let anna = Browser::signed_in(&server, "anna").await;
    let id = anna.add_task("one").await;
    let _: i64 = redis.run(&["HSET", "task:list:account-of-anna", &id, "not JSON"]);
    assert_eq!(anna.get("/task/").await.status, 500);
    assert_eq!(anna.change(&id, "done", ("done", "true")).await.status, 500);
    assert_eq!(
        redis.run::<String>(&["HGET", "task:list:account-of-anna", &id]),
        "not JSON"
    );
    assert_eq!(anna.delete(&id).await.status, 303);
    assert_eq!(anna.page().await.titles(), Vec::<String>::new());
}

#[actix_web::test]
async fn invalid_draft_is_an_error_and_is_not_moved() {
    let redis = RedisServer::start();
    let server = start_with(&redis.url());
    let browser = Browser::new(&server);
    let id = browser.add_task("one").await;
    // a field whose name has no valid task id is ignored
    browser.set_field("draft:x", "1").await;
    assert_eq!(browser.page().await.titles(), ["one"]);
    browser.set_field(&format!("draft:{id}"), "1").await;
    assert_eq!(browser.get("/task/").await.status, 500);
    browser.sign_in("berta").await;
    assert_eq!(browser.get("/task/").await.status, 500);
    assert_eq!(redis.run::<u64>(&["EXISTS", "task:list:account-of-berta"]), 0);
}
