//! The session cookie's attributes, as settings.

use std::time::Duration;

use shared_session::{CookieLifetime, SameSite, Secure, Settings};

use crate::support::{Door, Stack, TestResponse, settings, through_every_door};

through_every_door! {
    in_memory = std::convert::identity;
    {
        cookie_has_the_attributes_of_the_settings_and_its_removal_repeats_them
        cookie_lasts_as_long_as_the_browser_or_the_session
        response_with_a_cookie_is_stored_in_no_shared_cache
        scheme_of_the_proxy_decides_whether_the_cookie_is_secure
    }
}

async fn cookie_has_the_attributes_of_the_settings_and_its_removal_repeats_them(door: Door) {
    let all = settings()
        .with_cookie_name("__Secure-id")
        .and_then(|settings| settings.with_cookie_domain("example.com"))
        .and_then(|settings| settings.with_cookie_path("/app"))
        .unwrap()
        .with_cookie_same_site(SameSite::Strict);
    for (settings, name, attributes) in [
        (settings(), "sid", "HttpOnly; SameSite=Lax; Path=/"),
        (
            settings().with_cookie_secure(Secure::Always),
            "__Host-sid",
            "HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            settings().with_cookie_same_site(SameSite::None),
            "sid",
            "HttpOnly; SameSite=None; Secure; Path=/",
        ),
        (
            all,
            "__Secure-id",
            "HttpOnly; SameSite=Strict; Secure; Path=/app; Domain=example.com",
        ),
    ] {
        let stack = Stack::with_settings(door, &settings);
        let issued = stack.send(0, "/do/insert:a:1", None).await;
        let cookie = issued.cookie.unwrap();
        assert_eq!(issued.set_cookie.unwrap(), format!("{name}={cookie}; {attributes}"));
        let removal = stack.send(0, "/do/purge", Some(&cookie)).await;
        let end = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(removal.set_cookie.unwrap(), format!("{name}=; {attributes}; {end}"));
        assert_eq!(removal.headers["cache-control"], "no-store");
    }
}

async fn cookie_lasts_as_long_as_the_browser_or_the_session(door: Door) {
    let stack = Stack::with_settings(door, &settings());
    let issued = stack.send(0, "/do/insert:a:1", None).await;
    assert!(!issued.set_cookie.unwrap().contains("Max-Age"));
    let signed_in = stack.send(0, "/do/insert:userid:7", issued.cookie.as_deref()).await;
    assert_eq!(signed_in.set_cookie, None);

    let settings = settings().with_cookie_lifetime(CookieLifetime::Session);
    let stack = Stack::with_settings(door, &settings);
    let day = Settings::default().lifetime().as_secs();
    let assert_age = |response: TestResponse, age: u64| {
        let set_cookie = response.set_cookie.unwrap();
        assert!(set_cookie.ends_with(&format!("; Max-Age={age}")), "{set_cookie}");
        response.cookie.unwrap()
    };
    for ops in ["nothing", "renew"] {
        let response = stack.send(0, &format!("/do/{ops}"), None).await;
        assert_eq!(response.set_cookie, None, "{ops} without a session sets a cookie");
        assert!(!response.headers.contains_key("cache-control"));
    }
    let issued = assert_age(stack.send(0, "/do/insert:a:1", None).await, day);
    stack.pass(Duration::from_secs(600));
    let read = stack.send(0, "/get/a", Some(&issued)).await;
    assert_eq!(read.set_cookie, None, "it could undo a renewal");
    let renewed = assert_age(stack.send(0, "/do/renew", Some(&issued)).await, day - 600);
    assert_ne!(renewed, issued);
    // the lifetime is restarted, so the cookie is sent again
    let signed_in = assert_age(stack.send(0, "/do/insert:userid:7", Some(&renewed)).await, day);
    assert_eq!(signed_in, renewed);
    stack.pass(Duration::from_secs(600));
    assert_age(stack.send(0, "/do/renew", Some(&signed_in)).await, day - 600);
}

async fn response_with_a_cookie_is_stored_in_no_shared_cache(door: Door) {
    let stack = Stack::with_settings(door, &settings());
    for (value, expected) in [
        ("public", "no-store"),
        ("max-age=60", "no-store"),
        ("no-cache", "no-store"),
        ("public,max-age=60", "no-store"),
        ("max-age=60, Private", "max-age=60, Private"),
        ("no-store", "no-store"),
    ] {
        let request = stack.request(0, "/do/insert:a:1").header("return-cache-control", value);
        let response = TestResponse::to(request).await;
        assert!(response.cookie.is_some());
        let headers: Vec<_> = response.headers.get_all("cache-control").iter().collect();
        assert_eq!(headers, [expected], "{value}");
    }
}

async fn scheme_of_the_proxy_decides_whether_the_cookie_is_secure(door: Door) {
    let stack = Stack::with_settings(door, &settings());
    for (name, value, expected) in [
        ("x-forwarded-proto", "https", true),
        ("x-forwarded-proto", "HTTPS", true),
        ("x-forwarded-proto", "Https, http", true),
        ("x-forwarded-proto", "http, https", false),
        ("x-forwarded-proto", "", false),
        ("forwarded", "for=192.0.2.1;proto=HTTPS", true),
        ("forwarded", "for=192.0.2.1;proto=http", false),
        ("x-other", "https", false),
    ] {
        let request = stack.request(0, "/do/insert:a:1").header(name, value);
        let cookie = TestResponse::to(request).await.set_cookie.unwrap();
        assert_eq!(cookie.contains("; Secure"), expected, "{name}: {value}");
    }
}
