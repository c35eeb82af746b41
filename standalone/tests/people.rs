//! Twenty people at once, through both services over one Redis that goes away and comes back: nothing that was answered
//! as saved is lost, and nobody sees what is another's.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::time::sleep;
use service_kit::testing::reqwest::{Client, StatusCode};
use service_kit::testing::{Running, browser};
use shared_session::testing::redis_server::RedisServer;

const PEOPLE: usize = 20;
const TASKS: usize = 30;

/// The services, two of one kind, as behind a proxy that takes turns.
struct Stack {
    user: Running,
    tasks: [Running; 2],
    /// How many tasks were answered as saved so far.
    saved: AtomicUsize,
}

struct Person {
    number: usize,
    browser: Client,
    saved: Vec<String>,
}

impl Person {
    fn new(number: usize) -> Self {
        Self {
            number,
            browser: browser(),
            saved: Vec::new(),
        }
    }

    async fn post(&self, url: String, fields: &[(&str, &str)]) -> StatusCode {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.browser.post(url).body(body.join("&"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header("sec-fetch-site", "same-origin").send();
        answer.await.unwrap().status()
    }

    /// Sends a form until it is done, as people do who are told to try again.
    async fn insist(&self, url: String, fields: &[(&str, &str)]) {
        for _ in 0..200 {
            match self.post(url.clone(), fields).await {
                StatusCode::SEE_OTHER => return,
                // taken: by the try before, whose answer was lost
                StatusCode::CONFLICT if url.ends_with("/register") => return,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => sleep(Duration::from_millis(50)).await,
                status => panic!("{url}: {status}"),
            }
        }
        panic!("{url}: never done");
    }

    /// Registers, signs in, and adds tasks; what is not answered as saved is not tried again, so that every title is
    /// sent once.
    async fn work(mut self, stack: Arc<Stack>) -> Self {
        let id = format!("person-{}", self.number);
        let account = [("id", id.as_str()), ("password", "correct+horse+battery")];
        let register = [&account[..], &[("name", &id)]].concat();
        self.insist(stack.user.url("/user/register"), &register).await;
        self.insist(stack.user.url("/user/login"), &account).await;
        for task in 0.. {
            if self.saved.len() == TASKS {
                break;
            }
            assert!(task < 20 * TASKS, "{id}: saved too seldom");
            let title = format!("task-{}-of-{id}.", task);
            let service = &stack.tasks[task % 2];
            match self.post(service.url("/task/"), &[("title", &title)]).await {
                StatusCode::SEE_OTHER => {
                    self.saved.push(title);
                    stack.saved.fetch_add(1, Ordering::SeqCst);
                }
                StatusCode::SERVICE_UNAVAILABLE => sleep(Duration::from_millis(50)).await,
                status => panic!("{title}: {status}"),
            }
        }
        self
    }

    /// The page of tasks, as soon as there is one.
    async fn page(&self, service: &Running) -> String {
        for _ in 0..200 {
            let answer = self.browser.get(service.url("/task/")).send().await.unwrap();
            if answer.status() == StatusCode::OK {
                return answer.text().await.unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the page of tasks never came back");
    }
}

#[actix_web::test]
async fn twenty_people_lose_nothing_while_redis_restarts() {
    let mut redis = RedisServer::start();
    // otherwise it answers before it has written, while it waits for the disk, and a kill loses what it answered
    let () = redis.run(&["CONFIG", "SET", "appendfsync", "always"]);
    let arguments = ["--session-store", &redis.url()];
    let stack = Arc::new(Stack {
        user: Running::start(&user_service::SERVICE, user_service::routes, &arguments),
        tasks: [(); 2].map(|()| Running::start(&task_service::SERVICE, task_service::routes, &arguments)),
        saved: AtomicUsize::new(0),
    });
    let people: Vec<_> = (0..PEOPLE)
        .map(|number| rt::spawn(Person::new(number).work(stack.clone())))
        .collect();
    for saved in (1..=5).map(|part| PEOPLE * TASKS * part / 8) {
        while stack.saved.load(Ordering::SeqCst) < saved {
            sleep(Duration::from_millis(5)).await;
        }
        // on a thread of its own, so that people go on meanwhile; first it hangs, so that it dies with requests under way
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
    for person in people {
        let person = person.await.unwrap();
        for service in &stack.tasks {
            let page = person.page(service).await;
            assert!(page.contains("Your tasks"), "person {} is signed out", person.number);
            for title in &person.saved {
                assert!(page.contains(title), "{title} was answered as saved and is not there");
            }
            let own = format!("-of-person-{}.", person.number);
            assert_eq!(page.matches("-of-person-").count(), page.matches(&own).count());
        }
    }
}
