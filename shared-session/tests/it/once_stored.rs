//! What a request does once its session is stored.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use serde_json::Value;
use shared_session::backend::Backend;
use shared_session::backend::memory::Memory;
use shared_session::http::{Change, Exchange, Wish};
use shared_session::{Clock, SessionManager, Settings};
use shared_session_testkit::faulty::{Fault, Faulty};
use tokio::sync::Notify;

use crate::exchanges::{self, cookie_of};
use crate::support::{Stack, through_every_door};

through_every_door! {
    memory = crate::support::Stack::in_memory, redis = crate::support::Stack::in_redis;
    {
        session_is_stored_before_the_rest_and_the_response_waits_for_it
        error_replaces_the_response
        nothing_is_done_if_nothing_is_stored
        rest_is_done_although_the_client_is_gone
    }
}

const SIGN_IN: &str = "insert:userid:7,renew";

/// Returns the handles of the sessions of user 7.
async fn handles(stack: &Stack) -> Vec<String> {
    let listed: Value = serde_json::from_str(&stack.send(1, "/sessions/7", None).await.body).unwrap();
    let listed = listed.as_array().unwrap().iter();
    listed
        .map(|session| session["handle"].as_str().unwrap().to_owned())
        .collect()
}

async fn session_is_stored_before_the_rest_and_the_response_waits_for_it(stack: Stack) {
    let loaded = stack.new_session("insert:a:1").await;
    for (ops, cookie) in [(SIGN_IN, None), (SIGN_IN, Some(&*loaded)), ("insert:userid:7", None)] {
        let sent = tokio::spawn(stack.send(0, &format!("/do/then,{ops}"), cookie));
        stack.gate.arrived().await;
        let stored = handles(&stack).await;
        assert_eq!((stored.len(), sent.is_finished()), (1, false), "{ops}");
        stack.gate.open();
        let response = sent.await.unwrap();
        assert_eq!(response.status, 200, "{}", response.body);
        let handle = stack.gate.take_stored().unwrap().unwrap();
        assert_eq!(handle.to_string(), stored[0], "{ops}");

        // a session that is kept has its handle, and one that ends has none
        let cookie = response.cookie.unwrap();
        for (ops, expected) in [("insert:b:2", Some(handle)), ("purge", None)] {
            let sent = tokio::spawn(stack.send(0, &format!("/do/then,{ops}"), Some(&cookie)));
            stack.gate.arrived().await;
            stack.gate.open();
            assert_eq!(sent.await.unwrap().status, 200);
            assert_eq!(stack.gate.take_stored(), Some(expected), "{ops}");
        }
        assert!(handles(&stack).await.is_empty());
    }
}

async fn error_replaces_the_response(stack: Stack) {
    stack.gate.open();
    let response = stack.send(0, &format!("/do/then:fail,{SIGN_IN}"), None).await;
    assert_eq!((response.status.as_u16(), response.cookie), (409, None));
}

async fn nothing_is_done_if_nothing_is_stored(stack: Stack) {
    let cookie = stack.new_session("insert:a:1").await;
    assert_eq!(stack.send(0, "/do/then,nothing", Some(&cookie)).await.status, 200);
    let sent = tokio::spawn(stack.send(0, "/do/then,insert:b:1,wait", Some(&cookie)));
    stack.gate.arrived().await;
    assert_eq!(stack.send(1, "/do/purge", Some(&cookie)).await.status, 200);
    stack.gate.open();
    assert_eq!(sent.await.unwrap().status, 409);
    assert_eq!(stack.gate.take_stored(), None);
}

async fn rest_is_done_although_the_client_is_gone(stack: Stack) {
    let address: SocketAddr = stack.address(0).trim_start_matches("http://").parse().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let request = format!("POST /do/then,{SIGN_IN} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    stack.gate.arrived().await;
    client.set_nonblocking(true).unwrap();
    let client = tokio::net::TcpStream::from_std(client).unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    // a request that begins after the reset was read
    assert!(!handles(&stack).await.is_empty());
    stack.gate.open();
    stack.sessions[0].drain().await;
    assert!(stack.gate.take_stored().unwrap().is_some());
}

fn manager(backend: Arc<dyn Backend>) -> SessionManager {
    SessionManager::builder(&Settings::default())
        .backend(backend)
        .build()
        .unwrap()
}

async fn begin(sessions: &SessionManager, cookie: &str) -> Exchange {
    exchanges::begin(sessions, cookie, false).await.unwrap()
}

/// A sign-in that is sent twice: the client of the first request is gone, so it must not take over the session that the second one
/// renewed, also if it has something to do once the session is stored.
#[tokio::test]
async fn sign_in_whose_client_is_gone_takes_nothing_over() {
    let memory = Arc::new(Memory::new(Clock::system()));
    let sessions = manager(memory.clone());
    let created = begin(&sessions, "").await;
    let created = created.finish(Wish::Keep, Change::default().with_field("a", "1"), None);
    let old = cookie_of(created.await.unwrap()).unwrap();
    let sign_in = Change::default().with_field("userid", "7");

    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (begun.clone(), go.clone());
    // the load is the first operation
    let held = Faulty::new(memory, Fault::Never).run_before(2, async move {
        begins.notify_one();
        goes.notified().await;
    });
    let held = Arc::new(held);
    let holding = manager(held.clone());
    let first = begin(&holding, &old).await;
    first.current().once_stored(async |_| Ok(()));
    let first = tokio::spawn(first.finish(Wish::Renew, sign_in.clone(), None));
    begun.notified().await;
    let second = begin(&sessions, &old).await.finish(Wish::Renew, sign_in, None);
    let new = cookie_of(second.await.unwrap()).unwrap();
    first.abort();
    let _ = first.await;
    go.notify_one();
    holding.drain().await;
    assert_eq!(begin(&sessions, &new).await.fields().count(), 2);
    // the load, the index, and the comparison that found the other renewal
    assert_eq!(held.operations(), 3);
}
