//! Forms of a page that was loaded before the user changed, for example in another tab.

use crate::support::{Browser, TaskPage, start};

const TYPED: &str = "buy <milk> & 빵";
const ESCAPED: &str = "buy &#60;milk&#62; &#38; 빵";

#[actix_web::test]
async fn each_form_holds_the_user_of_its_list() {
    let server = start();
    for (browser, user) in [
        (Browser::signed_in(&server, "anna").await, "account-of-anna"),
        (Browser::new(&server), ""),
    ] {
        let id = browser.add_task("one").await;
        let page = browser.page().await;
        let field = format!("<input type=\"hidden\" name=\"user\" value=\"{user}\">");
        assert_eq!(page.html.matches(&field).count(), 4);
        // and its own forms work
        let fields = [("user", user), ("title", "two")];
        assert_eq!(browser.post(&format!("/task/{id}/title"), &fields).await.status, 303);
        assert_eq!(browser.post("/task/", &fields).await.status, 303);
        assert_eq!(browser.page().await.titles(), ["two", "two"]);
    }
}

#[actix_web::test]
async fn new_task_of_a_user_who_signed_out_becomes_no_draft_unasked() {
    let server = start();
    for (button, leads_to) in [(Some("sign_in"), "/user/login?next=/task/"), (None, "/task/")] {
        let browser = Browser::new(&server);
        let page = browser
            .post("/task/", &[("user", "account-of-anna"), ("title", TYPED)])
            .await;
        assert_eq!((page.status, page.cookie()), (409, None));
        page.shows("<h1>You are signed out</h1>");
        page.shows("Sign in to add this task. Nothing was changed.");
        assert_eq!(page.value("new-title"), ESCAPED);
        assert!(browser.page().await.titles().is_empty());

        // the form of this page is made for drafts, and the text is kept through the sign-in
        page.shows("<input type=\"hidden\" name=\"user\" value=\"\">");
        page.shows("<button name=\"sign_in\" value=\"true\">Sign in and add it</button>");
        let fields = [("user", ""), ("title", TYPED), (button.unwrap_or("no"), "true")];
        assert_eq!(browser.post("/task/", &fields).await.redirects_to(), Some(leads_to));
        assert_eq!(browser.page().await.titles(), [ESCAPED]);
        browser.sign_in(&format!("anna-{}", button.is_some())).await;
        assert_eq!(browser.page().await.titles(), [ESCAPED]);
    }
}

#[actix_web::test]
async fn change_of_a_user_who_signed_out_asks_for_the_sign_in() {
    let server = start();
    let anna = Browser::signed_in(&server, "anna").await;
    let id = anna.add_task("one").await;
    let signed_out = Browser::new(&server);
    for (form, field, action) in [
        ("done", ("done", "true"), "change"),
        ("title", ("title", TYPED), "rename"),
        ("delete", ("a", "b"), "delete"),
    ] {
        let address = format!("/task/{id}/{form}?page=2");
        let page = signed_out.post(&address, &[("user", "account-of-anna"), field]).await;
        assert_eq!((page.status, page.cookie()), (409, None));
        page.shows("<h1>You are signed out</h1>");
        page.shows(&format!("Sign in to {action} this task. Nothing was changed."));
        page.shows(&format!("href=\"/user/login?next=/task/%3Fpage%3D2%23task-{id}\""));
        assert_eq!(
            page.html.contains(&format!("value=\"{ESCAPED}\" readonly")),
            form == "title"
        );
    }
    assert_eq!(anna.page().await.titles(), ["one"]);
}

#[actix_web::test]
async fn form_of_another_user_changes_nothing() {
    let server = start();
    let anna = Browser::signed_in(&server, "anna").await;
    let id = anna.add_task("one").await;
    let berta = Browser::signed_in(&server, "berta").await;
    let page = berta
        .post("/task/", &[("user", "account-of-anna"), ("title", TYPED)])
        .await;
    assert_eq!(page.status, 409);
    page.shows("<h1>Another user is signed in</h1>");
    page.shows("<strong>BERTA</strong> is signed in now. Nothing was changed.");
    assert_eq!(page.value("new-title"), ESCAPED);
    let page = berta
        .post(&format!("/task/{id}/delete"), &[("user", "account-of-anna")])
        .await;
    assert_eq!(page.status, 409);
    page.shows("href=\"/task/\">Go to Tasks</a>");
    assert!(berta.page().await.titles().is_empty());
    assert_eq!(anna.page().await.titles(), ["one"]);
    // sent again on purpose
    let fields = [("user", "account-of-berta"), ("title", TYPED)];
    assert_eq!(berta.post("/task/", &fields).await.redirects_to(), Some("/task/"));
    assert_eq!(berta.page().await.titles(), [ESCAPED]);
}
