//! The graceful shutdown. The only test of its process, because it sends a signal to the process.

use std::net::TcpStream;
use std::process::{Command, id};
use std::sync::Arc;

use actix_web::rt::task::yield_now;
use actix_web::{rt, web};
use service_kit::process::shutdown_signal;
use service_kit::testing::{SERVICE, browser};
use service_kit::{Options, bind};
use tokio::sync::Semaphore;

#[actix_web::test]
async fn request_in_flight_finishes_after_sigterm() {
    let entered = Arc::new(Semaphore::new(0));
    let leave = Arc::new(Semaphore::new(0));
    let (slow_entered, slow_leave) = (entered.clone(), leave.clone());
    let routes = move |config: &mut web::ServiceConfig| {
        let (entered, leave) = (slow_entered.clone(), slow_leave.clone());
        let slow = move || {
            let (entered, leave) = (entered.clone(), leave.clone());
            async move {
                entered.add_permits(1);
                let _permit = leave.acquire().await.unwrap();
                "done"
            }
        };
        config.route("/test/slow", web::get().to(slow));
    };
    let options = Options::parse(&SERVICE, ["test-service", "--bind", "127.0.0.1:0"]).unwrap();
    let server = bind(&SERVICE, &options, |_| routes, shutdown_signal().unwrap()).unwrap();
    let address = server.address();
    let running = rt::spawn(server.run());

    let request = rt::spawn(browser().get(format!("http://{address}/test/slow")).send());
    entered.acquire().await.unwrap().forget();
    let kill = Command::new("kill")
        .args(["-TERM", &id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    while TcpStream::connect(address).is_ok() {
        yield_now().await; // until the server accepts no more connections
    }
    assert!(!running.is_finished());
    leave.add_permits(1);

    let response = request.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "done");
    running.await.unwrap().unwrap();
}
