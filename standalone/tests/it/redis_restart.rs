//! Tests that Redis can restart while twenty users work: nothing that was confirmed is lost, and no user sees another
//! user's tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::time::sleep;
use service_kit::testing::reqwest::{Client, StatusCode};
use service_kit::testing::{Running, browser};
use shared_session_testkit::servers::RedisServer;

const USERS: usize = 20;
const TASKS_PER_USER: usize = 30;

/// One process of user-service and two of task-service, which users visit in turn.
struct Stack {
    user: Running,
    tasks: [Running; 2],
    /// The number of tasks that were confirmed.
    confirmed: AtomicUsize,
}

struct User {
    number: usize,
    browser: Client,
    /// The titles of the tasks that were confirmed.
    confirmed: Vec<String>,
}

impl User {
    fn new(number: usize) -> Self {
        Self {
            number,
            browser: browser(),
            confirmed: Vec::new(),
        }
    }

    async fn post(&self, url: String, fields: &[(&str, &str)]) -> StatusCode {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.browser.post(url).body(body.join("&"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.header("sec-fetch-site", "same-origin").send();
        response.await.unwrap().status()
    }

    /// Sends a form until it succeeds.
    async fn post_until_done(&self, url: String, fields: &[(&str, &str)]) {
        for _ in 0..200 {
            match self.post(url.clone(), fields).await {
                StatusCode::SEE_OTHER => return,
                // the account was stored, and its session was not
                StatusCode::OK if url.ends_with("/register") => return,
                // an earlier attempt succeeded, but its response was an error
                StatusCode::CONFLICT if url.ends_with("/register") => return,
                // attempts that could not be taken back count as wrong passwords
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                    sleep(Duration::from_millis(50)).await
                }
                status => panic!("{url}: {status}"),
            }
        }
        panic!("{url}: never succeeded");
    }

    /// Registers, signs in, and adds tasks. A task that is not confirmed is not sent again, so each title is sent once.
    async fn work(mut self, stack: Arc<Stack>) -> Self {
        let id = format!("user-{}", self.number);
        let account = [("id", id.as_str()), ("password", "correct+horse+battery")];
        let register = [&account[..], &[("name", &id)]].concat();
        self.post_until_done(stack.user.url("/user/register"), &register).await;
        self.post_until_done(stack.user.url("/user/login"), &account).await;
        for task in 0.. {
            if self.confirmed.len() == TASKS_PER_USER {
                break;
            }
            assert!(task < 20 * TASKS_PER_USER, "{id}: too few tasks are confirmed");
            let title = format!("task-{}-of-{id}.", task);
            let service = &stack.tasks[task % 2];
            match self.post(service.url("/task/"), &[("title", &title)]).await {
                StatusCode::SEE_OTHER => {
                    self.confirmed.push(title);
                    stack.confirmed.fetch_add(1, Ordering::SeqCst);
                }
                StatusCode::SERVICE_UNAVAILABLE => sleep(Duration::from_millis(50)).await,
                status => panic!("{title}: {status}"),
            }
        }
        self
    }

    /// Returns the page of tasks as soon as it is available.
    async fn tasks_page(&self, service: &Running) -> String {
        for _ in 0..200 {
            let response = self.browser.get(service.url("/task/")).send().await.unwrap();
            if response.status() == StatusCode::OK {
                return response.text().await.unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the page of tasks stayed unavailable");
    }
}

#[actix_web::test]
async fn users_lose_nothing_while_redis_restarts() {
    let mut redis = RedisServer::start();
    // by default, Redis replies before it writes to disk, so a kill could lose what it confirmed
    let () = redis.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let arguments = ["--session-store", &redis.url()];
    let stack = Arc::new(Stack {
        user: Running::start(&user_service::SERVICE, user_service::routes, &arguments),
        tasks: [(); 2].map(|()| Running::start(&task_service::SERVICE, task_service::routes, &arguments)),
        confirmed: AtomicUsize::new(0),
    });
    let users: Vec<_> = (0..USERS)
        .map(|number| rt::spawn(User::new(number).work(stack.clone())))
        .collect();
    for confirmed in (1..=5).map(|part| USERS * TASKS_PER_USER * part / 8) {
        while stack.confirmed.load(Ordering::SeqCst) < confirmed {
            sleep(Duration::from_millis(5)).await;
        }
        // on another thread, so that users continue; frozen first, so that it is killed with requests in flight
        let restarted = rt::task::spawn_blocking(move || {
            redis.freeze();
            thread::sleep(Duration::from_millis(100));
            redis.kill();
            thread::sleep(Duration::from_millis(200));
            redis.restart(&["--appendfsync", "always"]);
            redis
        });
        redis = restarted.await.unwrap();
    }
    for user in users {
        let user = user.await.unwrap();
        for service in &stack.tasks {
            let page = user.tasks_page(service).await;
            assert!(page.contains("Your tasks"), "user {} is signed out", user.number);
            for title in &user.confirmed {
                assert!(page.contains(title), "{title} was confirmed and is lost");
            }
            let own = format!("-of-user-{}.", user.number);
            assert_eq!(page.matches("-of-user-").count(), page.matches(&own).count());
        }
    }
}
