//! A connection that breaks after Redis ran a command: what is repeated, and what is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_session::Settings;
use shared_session::backend::redis::{Connection, Redis};
use shared_session::backend::{Backend, BackendError, Outcome};
use shared_session_testkit::servers::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TTL: Duration = Duration::from_secs(60);

/// A forwarder to a Redis that can lose a reply.
#[derive(Clone, Default)]
struct Forwarder {
    /// The command whose reply is lost next.
    lose: Arc<Mutex<Option<&'static [u8]>>>,
}

impl Forwarder {
    async fn start(&self, redis: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forwarder = self.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", redis)).await.unwrap();
                tokio::spawn(forwarder.clone().forward(client, server));
            }
        });
        port
    }

    /// Forwards until one side closes, or until a reply is lost.
    async fn forward(self, mut client: TcpStream, mut server: TcpStream) {
        let (mut command, mut reply) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                Ok(length @ 1..) = client.read(&mut command) => {
                    server.write_all(&command[..length]).await.unwrap();
                    let is_chosen = |name: &mut &[u8]| command[..length].windows(name.len()).any(|part| part == *name);
                    if self.lose.lock().unwrap().take_if(is_chosen).is_some() {
                        assert_ne!(server.read(&mut reply).await.unwrap(), 0, "no reply");
                        return;
                    }
                }
                Ok(length @ 1..) = server.read(&mut reply) => client.write_all(&reply[..length]).await.unwrap(),
                else => return,
            }
        }
    }

    fn lose_reply_to(&self, command: &'static str) {
        *self.lose.lock().unwrap() = Some(command.as_bytes());
    }
}

#[tokio::test]
async fn compare_and_set_by_a_script_whose_reply_is_lost_is_not_repeated() {
    assert_sent_once(RedisServer::start(), "EVALSHA").await;
}

#[tokio::test]
async fn compare_and_set_by_a_command_whose_reply_is_lost_is_not_repeated() {
    assert_sent_once(RedisServer::start_valkey(&[]), "IFEQ").await;
}

/// Loses the replies to replacements, which `replacement` is a part of, and to a removal.
async fn assert_sent_once(server: RedisServer, replacement: &'static str) {
    let forwarder = Forwarder::default();
    let url = format!("redis://127.0.0.1:{}", forwarder.start(server.port()).await);
    let backend = Redis::new(Connection::open(&Settings::default().with_store(&url).unwrap()).unwrap());
    assert!(backend.create("session:a", b"A", TTL).await.unwrap());
    assert_eq!(
        backend.replace("session:a", b"A", b"B", TTL).await.unwrap(),
        Outcome::Applied
    );
    assert_eq!(backend.remove("session:b", b"A").await.unwrap(), Outcome::Gone); // loads the script

    for (expected, record) in [(b"B", Some(b"C")), (b"C", Some(b"D")), (b"D", None)] {
        let () = server.run(&["CONFIG", "RESETSTAT"]);
        let command = if record.is_some() { replacement } else { "EVALSHA" };
        forwarder.lose_reply_to(command);
        let outcome = match record {
            Some(record) => backend.replace("session:a", expected, record, TTL).await,
            None => backend.remove("session:a", expected).await,
        };
        assert!(matches!(outcome, Err(BackendError::Unavailable { .. })), "{outcome:?}");
        // a script calls SET, too
        let calls = if command == "EVALSHA" {
            &["evalsha", "eval"][..]
        } else {
            &["set"]
        };
        assert_eq!(server.calls(calls), 1);
        let found = backend.load("session:a", TTL).await.unwrap();
        assert_eq!(found.as_deref(), record.map(|record| &record[..]), "it ran, and once");
    }
}

#[tokio::test]
async fn other_commands_whose_reply_is_lost_are_repeated() {
    let server = RedisServer::start();
    let forwarder = Forwarder::default();
    let url = format!("redis://127.0.0.1:{}", forwarder.start(server.port()).await);
    let backend = Redis::new(Connection::open(&Settings::default().with_store(&url).unwrap()).unwrap());
    assert!(backend.create("session:a", b"A", TTL).await.unwrap());
    for _ in 0..3 {
        forwarder.lose_reply_to("GETEX");
        assert_eq!(
            backend.load("session:a", TTL).await.unwrap().as_deref(),
            Some(&b"A"[..])
        );
    }
    forwarder.lose_reply_to("EVAL");
    backend.index_add("session:index:a", "m", TTL).await.unwrap();
    let members = backend.index_members("session:index:a", 0, 10).await.unwrap();
    assert_eq!(members, ["m"]);
}
