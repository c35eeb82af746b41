//! The caches of the services, as their metrics show them.

use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use service_kit::testing::reqwest::{Client, redirect::Policy};

use crate::network::{HOSTS, public};
use crate::report::Report;
use crate::stack::Mode;

/// How long it may take until a cache is on again.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a service reports of its cache.
struct Cache {
    is_on: bool,
    hits: u64,
}

/// Waits until each cache is on, and serves reads. Notes those that do not.
pub async fn wait_until_on(report: &Report) {
    let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(PATIENCE);
    let client = client.build().unwrap();
    let (user, task) = (Mode::Cached.port(), Mode::Cached.port() + 1);
    let pages = (0..HOSTS).flat_map(|host| [(host, user, "/user/"), (host, task, "/task/")]);
    let cookie = begin_session(&client, &format!("http://{}:{task}/task/", public(0))).await;
    for (host, port, path) in pages {
        let address = format!("http://{}:{port}", public(host));
        let (before, deadline) = (read(&client, &address).await.hits, Instant::now() + PATIENCE);
        loop {
            let page = client.get(format!("{address}{path}")).header("cookie", &cookie);
            page.send().await.unwrap();
            let cache = read(&client, &address).await;
            if cache.is_on && cache.hits > before {
                break;
            }
            if Instant::now() > deadline {
                let state = if cache.is_on {
                    "on, but nothing comes from it"
                } else {
                    "off"
                };
                report.problem(format!("the cache of {address} is {state}"));
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Writes a draft, and returns the cookie of its session.
async fn begin_session(client: &Client, url: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = client.post(url).body("title=a").header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.unwrap();
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            return cookie.split(';').next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "no session: {}", response.status());
        sleep(Duration::from_millis(20)).await;
    }
}

async fn read(client: &Client, address: &str) -> Cache {
    let response = client.get(format!("{address}/metrics")).send().await.unwrap();
    let text = response.text().await.unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{address} does not report {name}"))
    };
    Cache {
        is_on: value("session_cache_off") == "0",
        hits: value("session_cache_hits_total").parse().unwrap(),
    }
}
