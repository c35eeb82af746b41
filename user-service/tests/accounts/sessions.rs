//! `/user/sessions`.

use service_kit::testing::reqwest::header::HeaderValue;

use crate::support::{Answer, PASSWORD, Stack, Visitor, answer};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// Signs in as anna with a browser that says this of itself.
async fn with(visitor: &Visitor, user_agent: &[u8]) {
    let form = visitor.form("/user/login", &[("id", "anna"), ("password", PASSWORD)]);
    let form = form.header("user-agent", HeaderValue::from_bytes(user_agent).unwrap());
    assert_eq!(answer(form).await.status, 303);
}

/// The devices of a page: what each is called, whether it is this one, and its handle. In the order of the labels: those
/// that began within one second are in any.
fn devices(page: &Answer) -> Vec<(String, bool, Option<String>)> {
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
            (label, current, handle)
        })
        .collect();
    devices.sort();
    devices
}

async fn list(visitor: &Visitor) -> Vec<(String, bool, Option<String>)> {
    devices(&visitor.get("/user/sessions").await)
}

#[actix_web::test]
async fn every_device_is_shown_and_one_is_signed_out() {
    for stack in Stack::each() {
        let here = stack.registered("anna").await;
        let there = stack.visitor(1);
        with(&there, b"<script>alert(1)</script>").await;
        with(&here, FIREFOX.as_bytes()).await;
        stack.signed_in("berta").await;
        let page = here.get("/user/sessions").await;
        assert!(page.html.contains("<h1>Your devices</h1>") && !page.html.contains("<script"));
        assert!(page.html.contains(">just now</time>"));
        let shown = devices(&page);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].0, "&#60;script&#62;alert(1)&#60;/script&#62;");
        assert_eq!(shown[1], ("Firefox on Linux".to_owned(), true, None));
        assert!(page.html.contains("Sign out everywhere else"));

        let handle = shown[0].2.as_deref().unwrap();
        for told in ["The device is signed out.", "The device was signed out already."] {
            let done = here.post("/user/sessions/revoke", &[("handle", handle)]).await;
            assert_eq!(done.leads_to(), Some("/user/sessions"));
            let page = stack.moved(&here, 1).get("/user/sessions").await;
            assert_eq!(page.message(), Some(told));
            assert_eq!(devices(&page).len(), 1);
            assert!(!page.html.contains("everywhere else"));
            for process in 0..2 {
                assert!(!stack.moved(&there, process).is_signed_in().await);
            }
        }
    }
}

#[actix_web::test]
async fn everywhere_else_is_everywhere_but_here() {
    for stack in Stack::each() {
        let here = stack.signed_in("anna").await;
        let berta = stack.signed_in("berta").await;
        for (others, told) in [
            (2, "2 other devices are signed out."),
            (1, "The other device is signed out."),
            (0, "No other device was signed in."),
        ] {
            let mut elsewhere = Vec::new();
            for process in 0..others {
                let device = stack.visitor(process);
                with(&device, b"curl/8.14.1").await;
                elsewhere.push(device);
            }
            let done = here.post("/user/sessions/revoke-others", &[]).await;
            assert_eq!(done.leads_to(), Some("/user/sessions"));
            let page = here.get("/user/sessions").await;
            assert_eq!((page.message(), devices(&page).len()), (Some(told), 1));
            for process in 0..2 {
                for device in &elsewhere {
                    assert!(!stack.moved(device, process).is_signed_in().await);
                }
                assert!(stack.moved(&here, process).is_signed_in().await);
            }
        }
        assert!(berta.is_signed_in().await);
    }
}

#[actix_web::test]
async fn a_device_is_its_owners_alone() {
    for stack in Stack::each() {
        let anna = stack.signed_in("anna").await;
        let other = stack.visitor(1);
        with(&other, b"curl/8.14.1").await;
        let berta = stack.signed_in("berta").await;
        let of_anna = list(&anna).await.into_iter().find_map(|(.., handle)| handle).unwrap();
        assert_eq!(list(&berta).await.len(), 1);
        let done = berta.post("/user/sessions/revoke", &[("handle", &of_anna)]).await;
        assert_eq!(done.leads_to(), Some("/user/sessions"));
        assert_eq!(
            berta.get("/user/").await.message(),
            Some("The device was signed out already.")
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

/// Its handle stands in the page of another device.
#[actix_web::test]
async fn who_signs_out_this_very_device_is_signed_out() {
    for stack in Stack::each() {
        let here = stack.signed_in("anna").await;
        let other = stack.visitor(1);
        with(&other, b"curl/8.14.1").await;
        let shown = list(&other).await;
        let handle = shown.iter().find_map(|(_, _, handle)| handle.clone()).unwrap();
        let done = here.post("/user/sessions/revoke", &[("handle", &handle)]).await;
        assert_eq!(done.leads_to(), Some("/user/login"));
        assert_eq!(done.cookie(), Some(""));
        assert!(!here.is_signed_in().await && other.is_signed_in().await);
    }
}

#[actix_web::test]
async fn many_devices_are_shown_page_by_page() {
    let stack = Stack::redis();
    let here = stack.signed_in("anna").await;
    for number in 1..=44 {
        with(&stack.visitor(number), format!("device-{number:02}/1").as_bytes()).await;
    }
    let (mut address, mut seen, mut lengths) = ("/user/sessions".to_owned(), Vec::new(), Vec::new());
    let last = loop {
        let page = here.get(&address).await;
        let shown = devices(&page);
        lengths.push(shown.len());
        seen.extend(shown.into_iter().map(|(label, ..)| label));
        assert!(page.html.contains("Sign out everywhere else"));
        match link(&page, "Older") {
            Some(next) => address = next,
            None => break page,
        }
    };
    assert_eq!(lengths, [20, 20, 5]);
    let middle = seen[20..40].to_vec();
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
            assert!(page.html.contains("There are no more devices here."));
        }
    }
}

fn link(page: &Answer, text: &str) -> Option<String> {
    let (before, _) = page.html.split_once(&format!(">{text}</a>"))?;
    let (_, tag) = before.rsplit_once("href=\"")?;
    tag.split_once('"').map(|(address, _)| address.to_owned())
}

#[actix_web::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in_and_back() {
    let stack = Stack::memory();
    let somebody = stack.visitor(0);
    let to = Some("/user/login?next=/user/sessions");
    assert_eq!(somebody.get("/user/sessions").await.leads_to(), to);
    for path in ["/user/sessions/revoke", "/user/sessions/revoke-others"] {
        assert_eq!(somebody.post(path, &[("handle", "x")]).await.leads_to(), to);
        assert_eq!(somebody.get(path).await.status, 405);
        let other = somebody.request("POST", path).header("sec-fetch-site", "cross-site");
        assert_eq!(answer(other).await.status, 403);
    }
}
