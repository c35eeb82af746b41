//! The caches of the services, as their metrics show them.

use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use service_kit::testing::reqwest::Client;

use crate::network::{HOSTS, public};
use crate::report::Report;
use crate::stack::Mode;

/// How long it may take until a cache is on again and a user comes back to it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a service reports of its cache.
struct Cache {
    is_on: bool,
    hits: u64,
}

/// Waits until each cache is on, and serves reads. Notes those that do not.
pub async fn wait_until_on(report: &Report) {
    let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let port = Mode::Cached.port();
    let addresses = (0..HOSTS).flat_map(|host| [port, port + 1].map(|port| format!("{}:{port}", public(host))));
    let deadline = Instant::now() + PATIENCE;
    for address in addresses {
        let before = read(&client, &address).await.hits;
        loop {
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
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn read(client: &Client, address: &str) -> Cache {
    let response = client.get(format!("http://{address}/metrics")).send().await.unwrap();
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
