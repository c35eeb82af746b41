//! Tests `/user/sessions`.

use service_kit::testing::reqwest::header::HeaderValue;

use crate::accounts::support::{Browser, PASSWORD, Response, Stack, send};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// Signs in as anna with this `User-Agent`.
async fn sign_in_with(browser: &Browser, user_agent: &[u8]) {
    let form = browser.form("/user/login", &[("id", "anna"), ("password", PASSWORD)]);
    let form = form.header("user-agent", HeaderValue::from_bytes(user_agent).unwrap());
    assert_eq!(send(form).await.status, 303);
}

/// Returns each device on a page as its name, whether it is the current one, and its handle. The current one is the first, and
/// the others are sorted by name, because sessions that were created in the same millisecond have no order.
fn devices(page: &Response) -> Vec<(String, bool, Option<String>)> {
    assert_eq!(page.status, 200);
    let devices = page.html.split("<li class=\"card row device\">").skip(1);
    let mut devices: Vec<_> = devices
        .map(|device| {
            let part = |start, end| {
                let (_, rest) = device.split_once(start)?;
                rest.split_once(end).map(|(found, _): (&str, _)| found.to_owned())
            };
            let label: String = part("<strong>", "</strong>").unwrap();
            let handle = part("name=\"handle\" value=\"", "\"");
            let current = device.contains(" <span class=\"badge on\">this device</span>");
            assert_eq!(handle.is_none(), current);
            let button = format!("Sign out<span class=\"unseen\"> {label}</span></button>");
            assert_eq!(device.contains(&button), !current, "{device}");
            assert_eq!(device.matches("<time datetime=\"20").count(), 2, "{device}");
            assert!(device.contains(" UTC</time>.</p>"), "{device}");
            (label, current, handle)
        })
        .collect();
    let others = usize::from(page.html.contains("this device"));
    assert!(devices.iter().take(others).all(|(_, current, _)| *current));
    devices[others..].sort();
    devices
}

async fn list(browser: &Browser) -> Vec<(String, bool, Option<String>)> {
    devices(&browser.get("/user/sessions").await)
}

#[actix_web::test]
async fn user_has_at_most_50_sessions() {
    let stack = Stack::memory();
    let mut browsers = vec![stack.registered("anna").await];
    for number in 0..51 {
        browsers.push(stack.browser(number));
        sign_in_with(&browsers[number + 1], FIREFOX.as_bytes()).await;
    }
    let mut signed_in = 0;
    for browser in &browsers {
        signed_in += usize::from(browser.get("/user/sessions").await.status == 200);
    }
    assert_eq!(signed_in, 50);
    assert_eq!(browsers[51].get("/user/sessions").await.status, 200);
}

#[actix_web::test]
async fn every_device_is_listed_and_one_can_be_signed_out() {
    for stack in Stack::every_store() {
        let here = stack.registered("anna").await;
        let there = stack.browser(1);
        sign_in_with(&there, b"<script>alert(1)</script>").await;
        sign_in_with(&here, FIREFOX.as_bytes()).await;
        stack.signed_in("berta").await;
        let page = here.get("/user/sessions").await;
        assert!(page.html.contains("<h1>Your devices</h1>") && !page.html.contains("<script"));
        assert!(page.html.contains(">just now</time>"));
        let listed = devices(&page);
        assert_eq!(listed.len(), 2);
        assert!(listed[0].1);
        assert_eq!(listed[1].0, "&#60;script&#62;alert(1)&#60;/script&#62;");
        page.shows("<button class=\"danger\">Sign out the other device</button>");

        let handle = listed[1].2.as_deref().unwrap();
        for message in ["The device was signed out.", "The device was already signed out."] {
            let done = here.post("/user/sessions/revoke", &[("handle", handle)]).await;
            assert_eq!(done.redirects_to(), Some("/user/sessions"));
            let page = stack.at_process(&here, 1).get("/user/sessions").await;
            assert_eq!(page.message(), Some(message));
            assert_eq!(devices(&page).len(), 1);
            page.hides("<button class=\"danger\">");
            for process in 0..2 {
                assert!(!stack.at_process(&there, process).is_signed_in().await);
            }
        }
    }
}

#[actix_web::test]
async fn revoke_others_signs_out_all_devices_but_this_one() {
    for stack in Stack::every_store() {
        let here = stack.signed_in("anna").await;
        let berta = stack.signed_in("berta").await;
        for (others, message) in [
            (2, "2 other devices were signed out."),
            (1, "One other device was signed out."),
            (0, "No other device was signed in."),
        ] {
            let mut elsewhere = Vec::new();
            for process in 0..others {
                let device = stack.browser(process);
                sign_in_with(&device, b"curl/8.14.1").await;
                elsewhere.push(device);
            }
            let done = here.post("/user/sessions/revoke-others", &[]).await;
            assert_eq!(done.redirects_to(), Some("/user/sessions"));
            let page = here.get("/user/sessions").await;
            assert_eq!((page.message(), devices(&page).len()), (Some(message), 1));
            for process in 0..2 {
                for device in &elsewhere {
                    assert!(!stack.at_process(device, process).is_signed_in().await);
                }
                assert!(stack.at_process(&here, process).is_signed_in().await);
            }
        }
        assert!(berta.is_signed_in().await);
    }
}

#[actix_web::test]
async fn two_devices_of_one_name_have_different_marks() {
    let stack = Stack::redis();
    let here = stack.signed_in("anna").await;
    let others = [1, 2].map(|process| stack.browser(process));
    for other in &others {
        sign_in_with(other, FIREFOX.as_bytes()).await;
    }
    let page = here.get("/user/sessions").await;
    page.shows("<button class=\"danger\">Sign out 2 other devices</button>");
    let marks = |page: &Response| -> Vec<String> {
        let marks = page.all_between("Session <code>", "</code>").map(str::to_owned);
        marks.collect()
    };
    let shown = marks(&page);
    let different: std::collections::HashSet<_> = shown.iter().collect();
    assert_eq!((shown.len(), different.len()), (3, 3));
    // each device shows its own mark, so that its owner finds it
    for other in others {
        let own = marks(&other.get("/user/sessions").await).swap_remove(0);
        assert!(shown[1..].contains(&own), "{own}");
    }
}

/// The message is stored in the session, which Redis refuses to change here.
#[actix_web::test]
async fn devices_that_were_signed_out_are_reported_although_the_session_was_not_stored() {
    let stack = Stack::redis();
    let redis = stack.redis.as_ref().unwrap();
    let here = stack.signed_in("anna").await;
    let there = stack.browser(1);
    for (path, title) in [
        ("/user/sessions/revoke", "The device was signed out"),
        ("/user/sessions/revoke-others", "Your other devices were signed out"),
    ] {
        sign_in_with(&there, b"curl/8.14.1").await;
        let handle = list(&here).await.into_iter().find_map(|(.., handle)| handle).unwrap();
        let () = redis.run(&["ACL", "SETUSER", "default", "-set"]);
        let done = here.post(path, &[("handle", &handle)]).await;
        let () = redis.run(&["ACL", "SETUSER", "default", "+set"]);
        assert_eq!(done.status, 200, "{}", done.html);
        done.shows(&format!("<h1>{title}</h1>"));
        assert!(!there.is_signed_in().await && here.is_signed_in().await);
    }
}

#[actix_web::test]
async fn device_of_another_user_is_neither_listed_nor_revoked() {
    for stack in Stack::every_store() {
        let anna = stack.signed_in("anna").await;
        let other = stack.browser(1);
        sign_in_with(&other, b"curl/8.14.1").await;
        let berta = stack.signed_in("berta").await;
        let of_anna = list(&anna).await.into_iter().find_map(|(.., handle)| handle).unwrap();
        assert_eq!(list(&berta).await.len(), 1);
        let done = berta.post("/user/sessions/revoke", &[("handle", &of_anna)]).await;
        assert_eq!(done.redirects_to(), Some("/user/sessions"));
        assert_eq!(
            berta.get("/user/").await.message(),
            Some("The device was already signed out.")
        );
        assert!(anna.is_signed_in().await && other.is_signed_in().await);
        for handle in ["", "x", "<b>", &of_anna[1..], &format!("{of_anna}A")] {
            let done = anna.post("/user/sessions/revoke", &[("handle", handle)]).await;
            assert_eq!(done.status, 404, "{handle}");
        }
        assert_eq!(anna.post("/user/sessions/revoke", &[]).await.status, 404);
        assert!(other.is_signed_in().await);
    }
}

/// Another device's page has the handle of this one.
#[actix_web::test]
async fn revoking_the_current_session_logs_out() {
    for stack in Stack::every_store() {
        let here = stack.signed_in("anna").await;
        let other = stack.browser(1);
        sign_in_with(&other, b"curl/8.14.1").await;
        let listed = list(&other).await;
        let handle = listed.iter().find_map(|(_, _, handle)| handle.clone()).unwrap();
        let done = here.post("/user/sessions/revoke", &[("handle", &handle)]).await;
        assert_eq!(done.redirects_to(), Some("/user/?signed-out"));
        assert_eq!(done.cookie(), Some(""));
        assert!(!here.is_signed_in().await && other.is_signed_in().await);
    }
}

/// Changes every session's record, from its field `auth_time` on.
fn rewrite_records(stack: &Stack, rewrite: impl Fn(&str) -> String) {
    let redis = stack.redis.as_ref().unwrap();
    let keys: Vec<String> = redis.run(&["KEYS", "session:????????????????????"]);
    assert!(!keys.is_empty());
    for key in keys {
        let record: String = redis.run(&["GET", &key]);
        let (before, rest) = record.split_once("\"auth_time\":").unwrap();
        let record = format!("{before}{}", rewrite(rest));
        let () = redis.run(&["SET", &key, &record, "KEEPTTL"]);
    }
}

/// Moves the last entry of the password into the past, in all sessions.
fn age_password_entries(stack: &Stack, seconds: u64) {
    rewrite_records(stack, |rest| {
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap();
        let time = rest[..end].parse::<u64>().unwrap() - seconds;
        format!("\"auth_time\":{time}{}", &rest[end..])
    });
}

#[actix_web::test]
async fn session_without_the_time_of_the_password_entry_is_asked_for_the_password() {
    let stack = Stack::redis();
    let here = stack.signed_in("anna").await;
    rewrite_records(&stack, |rest| format!("\"signed_in\":{rest}"));
    let asked = here.post("/user/sessions/revoke-others", &[]).await;
    assert_eq!((asked.status, here.is_signed_in().await), (401, true));
    let done = here
        .post("/user/sessions/revoke-others", &[("password", PASSWORD)])
        .await;
    assert_eq!(done.redirects_to(), Some("/user/sessions"));
}

#[actix_web::test]
async fn revoking_needs_the_password_again_five_minutes_after_the_sign_in() {
    let stack = Stack::redis();
    let here = stack.signed_in("anna").await;
    let there = stack.browser(1);
    sign_in_with(&there, b"curl/8.14.1").await;
    let handle = list(&here).await.into_iter().find_map(|(.., handle)| handle).unwrap();
    let one = ("/user/sessions/revoke", vec![("handle", handle.as_str())]);
    let all = ("/user/sessions/revoke-others", vec![]);
    for (path, fields) in [one, all] {
        assert_eq!(there.sign_in("anna", PASSWORD).await.status, 303);
        age_password_entries(&stack, 301);
        let with = |password: &'static str| [&fields[..], &[("password", password)]].concat();
        let asked = here.post(path, &fields).await;
        assert_eq!((asked.status, asked.cookie()), (401, None));
        assert_eq!(asked.title(), "Enter your password · shared session");
        assert!(asked.html.contains(&format!("action=\"{path}\"")), "{}", asked.html);
        assert_eq!(asked.html.contains(&handle), !fields.is_empty());
        assert_eq!((asked.error("password"), asked.value("password")), (None, ""));
        let wrong = here.post(path, &with("a wrong password")).await;
        assert_eq!(
            (wrong.status, wrong.error("password")),
            (401, Some("This is not your password."))
        );
        assert!(there.is_signed_in().await);

        let done = here.post(path, &with(PASSWORD)).await;
        assert_eq!(done.redirects_to(), Some("/user/sessions"), "{}", done.html);
        assert!(done.cookie().is_some(), "the session is not renewed");
        assert!(!there.is_signed_in().await && here.is_signed_in().await);
        // for five minutes it is not asked again
        sign_in_with(&there, b"curl/8.14.1").await;
        let done = here.post("/user/sessions/revoke-others", &[]).await;
        assert_eq!(done.redirects_to(), Some("/user/sessions"));
        assert!(!there.is_signed_in().await);
    }
    // a password change counts as well, and so does the time until then
    age_password_entries(&stack, 301);
    let change = [("current", PASSWORD), ("new", "battery staple 홍길동")];
    assert_eq!(here.post("/user/password", &change).await.status, 303);
    age_password_entries(&stack, 290);
    assert_eq!(here.post("/user/sessions/revoke-others", &[]).await.status, 303);
}

#[actix_web::test]
async fn user_who_enters_the_password_again_stays_signed_in() {
    let stack = Stack::redis();
    let here = stack.registered("anna").await;
    let fields = [("id", "anna"), ("password", PASSWORD), ("remember", "yes")];
    assert_eq!(here.post("/user/login", &fields).await.status, 303);
    age_password_entries(&stack, 301);
    let fields = [("password", PASSWORD)];
    let done = here.post("/user/sessions/revoke-others", &fields).await;
    assert_eq!(done.redirects_to(), Some("/user/sessions"), "{}", done.html);
    assert!(
        done.header("set-cookie")
            .is_some_and(|cookie| cookie.contains("; Max-Age=77"))
    );
}

#[actix_web::test]
async fn long_list_of_devices_has_pages() {
    let stack = Stack::redis();
    let here = stack.signed_in("anna").await;
    for number in 1..=44 {
        sign_in_with(&stack.browser(number), format!("device-{number:02}/1").as_bytes()).await;
    }
    let (mut address, mut seen, mut lengths) = ("/user/sessions".to_owned(), Vec::new(), Vec::new());
    let last = loop {
        let page = here.get(&address).await;
        let listed = devices(&page);
        lengths.push(listed.len());
        seen.extend(listed.into_iter().map(|(label, ..)| label));
        assert!(page.html.contains("Sign out all other devices"));
        match link(&page, "Older") {
            Some(next) => address = next,
            None => break page,
        }
    };
    // this device signed in first, and is listed first nevertheless
    assert_eq!((lengths, &*seen[0]), (vec![21, 20, 4], "Unknown device"));
    let middle = seen[21..41].to_vec();
    seen.sort();
    let expected = (1..=44).map(|number| format!("device-{number:02}"));
    let expected: Vec<_> = ["Unknown device".to_owned()].into_iter().chain(expected).collect();
    assert_eq!(seen, expected);
    let newer = here.get(&link(&last, "Newer").unwrap()).await;
    let newer: Vec<_> = devices(&newer).into_iter().map(|(label, ..)| label).collect();
    assert_eq!(newer, middle);
    assert_eq!(link(&here.get("/user/sessions").await, "Newer"), None);

    for (from, status) in [
        ("45", 200),
        ("18446744073709551615", 200),
        ("-1", 400),
        ("x", 400),
        ("", 400),
    ] {
        let page = here.get(&format!("/user/sessions?from={from}")).await;
        assert_eq!(page.status, status, "{from}");
        if status == 200 {
            assert!(page.html.contains("There are no more devices."));
        }
    }
}

fn link(page: &Response, text: &str) -> Option<String> {
    let (before, _) = page.html.split_once(&format!(">{text}</a>"))?;
    let (_, tag) = before.rsplit_once("href=\"")?;
    tag.split_once('"').map(|(address, _)| address.to_owned())
}

#[actix_web::test]
async fn signed_out_user_is_redirected_to_the_sign_in() {
    let stack = Stack::memory();
    let browser = stack.browser(0);
    let to = Some("/user/login?next=/user/sessions");
    assert_eq!(browser.get("/user/sessions").await.redirects_to(), to);
    for path in ["/user/sessions/revoke", "/user/sessions/revoke-others"] {
        assert_eq!(browser.post(path, &[("handle", "x")]).await.redirects_to(), to);
        assert_eq!(browser.get(path).await.redirects_to(), Some("/user/sessions"));
        let other = browser.request("POST", path).header("sec-fetch-site", "cross-site");
        assert_eq!(send(other).await.status, 403);
    }
}
