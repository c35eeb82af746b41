//! One session behind both doors: a process of `examples/counter.rs` and one of `examples/axum.rs` count the same visits.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, StatusCode};
use shared_session_testkit::servers::{Port, RedisServer};

use crate::process::example;

/// A process of an example. Dropping it ends the process.
struct Counter {
    process: Child,
    port: Port,
}

impl Counter {
    fn start(name: &str, redis: &RedisServer) -> Self {
        let port = Port::reserve();
        let mut process = Command::new(example(name))
            .env("PORT", port.number().to_string())
            .env("SESSION_STORE", redis.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), format!("http://127.0.0.1:{}/", port.number()));
        Self { process, port }
    }

    /// Sends a visit, as soon as the process listens. Returns the page and the cookie that it sets.
    async fn visit(&self, cookie: Option<&str>) -> (String, Option<String>) {
        let url = format!("http://127.0.0.1:{}/", self.port.number());
        for _ in 0..400 {
            let mut request = Client::new().get(&url);
            if let Some(cookie) = cookie {
                request = request.header("cookie", cookie);
            }
            let Ok(response) = request.send().await else {
                tokio::time::sleep(std::time::Duration::from_millis(25)).await;
                continue;
            };
            assert_eq!(response.status(), StatusCode::OK);
            let set_cookie = response.headers().get("set-cookie");
            let cookie = set_cookie.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
            return (response.text().await.unwrap(), cookie);
        }
        panic!("nobody listens at {url}");
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn examples_of_both_doors_count_the_same_visits() {
    let redis = RedisServer::start();
    let counters = ["counter", "axum"].map(|name| Counter::start(name, &redis));
    for first in 0..2 {
        let (page, cookie) = counters[first].visit(None).await;
        assert_eq!(page, "visit 1\n");
        for visit in 2..=5 {
            let (page, set_cookie) = counters[(first + visit) % 2].visit(cookie.as_deref()).await;
            assert_eq!((page, set_cookie), (format!("visit {visit}\n"), None));
        }
    }
}
