//! TLS to Redis: the server's certificate is always verified, and the client shows its own if it has one.

#![allow(clippy::unwrap_used)]

mod process;

use std::net::TcpListener;
use std::path::PathBuf;

use process::Service;
use shared_session::backend::redis::Connection;
use shared_session::testing::certificates::Certificates;
use shared_session::testing::redis_server::RedisServer;
use shared_session::{Settings, redis};

/// A server with a port for TLS.
struct Server {
    _redis: RedisServer,
    port: u16,
}

impl Server {
    fn start(certificates: &Certificates, name: &str, clients: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut options = certificates.options(name, clients);
        options.extend(["--tls-port".to_owned(), port.to_string()]);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let _redis = RedisServer::start_with(&options);
        Self { _redis, port }
    }

    fn settings(&self) -> Settings {
        Settings::default()
            .with_store(&format!("rediss://127.0.0.1:{}/0", self.port))
            .unwrap()
    }
}

/// Returns the text of the failure of a command, if it fails.
async fn failure(settings: &Settings) -> Option<String> {
    let connection = Connection::open(settings).unwrap();
    let reply = connection.run::<String>(&redis::cmd("PING")).await;
    reply.err().map(|failure| failure.to_string())
}

#[tokio::test]
async fn server_with_a_certificate_of_the_ca_is_accepted() {
    let certificates = Certificates::new();
    let server = Server::start(&certificates, "server", "no");
    let settings = server.settings().with_store_ca_file(certificates.certificate("ca"));
    assert_eq!(failure(&settings).await, None);
    let by_name = settings
        .with_store(&format!("rediss://localhost:{}", server.port))
        .unwrap();
    assert_eq!(failure(&by_name).await, None);
}

#[tokio::test]
async fn server_with_a_wrong_name_is_refused() {
    let certificates = Certificates::new();
    let server = Server::start(&certificates, "elsewhere", "no");
    let settings = server.settings().with_store_ca_file(certificates.certificate("ca"));
    let text = failure(&settings).await.unwrap();
    assert!(text.contains("certificate not valid for name \"127.0.0.1\""), "{text}");
}

#[tokio::test]
async fn server_of_an_unknown_ca_is_refused() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Server::start(&certificates, "server", "no");
    let by_file = server.settings().with_store_ca_file(others.certificate("ca"));
    for settings in [by_file, server.settings()] {
        let text = failure(&settings).await.unwrap();
        assert!(text.contains("invalid peer certificate: UnknownIssuer"), "{text}");
    }
}

#[tokio::test]
async fn client_certificate_is_shown_if_the_server_asks_for_it() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Server::start(&certificates, "server", "yes");
    let without = server.settings().with_store_ca_file(certificates.certificate("ca"));
    let with = |of: &Certificates| {
        let (cert, key) = (of.certificate("client"), of.key("client"));
        without.clone().with_store_client_certificate(cert, key)
    };
    assert_eq!(failure(&with(&certificates)).await, None);
    for refused in [without.clone(), with(&others)] {
        let text = failure(&refused).await.unwrap();
        assert!(!text.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn system_roots_are_used_without_a_ca_file() {
    let certificates = Certificates::new();
    let server = Server::start(&certificates, "server", "no");
    let ca = certificates.certificate("ca").display().to_string();
    let url = format!("rediss://127.0.0.1:{}", server.port);
    let service = Service::start(&url, &[("SSL_CERT_FILE", &ca)]);
    let response = reqwest::Client::new()
        .put(format!("http://{}/a/1", service.address))
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success(), "{response:?}");
}

#[test]
fn invalid_files_are_refused_and_named() {
    let certificates = Certificates::new();
    let (ca, cert, key) = (
        certificates.certificate("ca"),
        certificates.certificate("client"),
        certificates.key("client"),
    );
    let tls = Settings::default().with_store("rediss://localhost").unwrap();
    let plain = Settings::default().with_store("redis://localhost").unwrap();
    let missing = || PathBuf::from("/missing");
    let other_key = certificates.key("server");
    for (settings, variable) in [
        (plain.clone().with_store_ca_file(&ca), "SESSION_STORE_CA_FILE"),
        (
            plain.with_store_client_certificate(&cert, &key),
            "SESSION_STORE_CERT_FILE",
        ),
        (tls.clone().with_store_ca_file(missing()), "SESSION_STORE_CA_FILE"),
        (tls.clone().with_store_ca_file(&key), "SESSION_STORE_CA_FILE"),
        (
            tls.clone().with_store_client_certificate(missing(), &key),
            "SESSION_STORE_CERT_FILE",
        ),
        (
            tls.clone().with_store_client_certificate(&key, &key),
            "SESSION_STORE_CERT_FILE",
        ),
        (
            tls.clone().with_store_client_certificate(&cert, missing()),
            "SESSION_STORE_KEY_FILE",
        ),
        (
            tls.clone().with_store_client_certificate(&cert, &cert),
            "SESSION_STORE_KEY_FILE",
        ),
        (
            tls.with_store_client_certificate(&cert, other_key),
            "SESSION_STORE_KEY_FILE",
        ),
    ] {
        let error = Connection::open(&settings).unwrap_err().to_string();
        assert!(error.contains(variable) && !error.contains('\n'), "{variable}: {error}");
    }
}
