//! TLS to Redis: the server's certificate is always verified, and the client shows its own if it has one.

use std::path::PathBuf;
use std::time::Duration;

use shared_session::backend::redis::Connection;
use shared_session::{Settings, redis};
use shared_session_testkit::servers::{Certificates, Port, RedisCluster, RedisSentinel, RedisServer};
use tokio::time::sleep;

use crate::process::Service;

/// A server with a port for TLS.
struct Server {
    _redis: RedisServer,
    port: Port,
}

impl Server {
    fn start(certificates: &Certificates, name: &str, clients: &str) -> Self {
        let port = Port::reserve();
        let mut options = certificates.options(name, clients);
        options.extend(["--tls-port".to_owned(), port.number().to_string()]);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let _redis = RedisServer::start_with(&options);
        Self { _redis, port }
    }

    fn settings(&self) -> Settings {
        Settings::default()
            .with_store(&format!("rediss://127.0.0.1:{}/0", self.port.number()))
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
        .with_store(&format!("rediss://localhost:{}", server.port.number()))
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

/// Returns the text of the failure of a change, if it fails. A cluster routes it by its key.
async fn failure_of_change(settings: &Settings) -> Option<String> {
    let connection = Connection::open(settings).unwrap();
    let mut command = redis::cmd("SET");
    command.arg("a").arg(1);
    let reply = connection.write::<()>(&command).await;
    reply.err().map(|failure| failure.to_string())
}

fn settings_of(url: &str, ca: &Certificates) -> Settings {
    // long, so that a busy machine fails no handshake
    let settings = Settings::default().with_store_timeout(Duration::from_secs(5)).unwrap();
    settings
        .with_store(url)
        .unwrap()
        .with_store_ca_file(ca.certificate("ca"))
}

fn with_client(settings: Settings, client: &Certificates) -> Settings {
    settings.with_store_client_certificate(client.certificate("client"), client.key("client"))
}

#[tokio::test]
async fn nodes_of_a_cluster_are_verified_and_ask_for_a_client_certificate() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let cluster = RedisCluster::with_tls(&certificates.options("server", "yes"));
    let accepted = with_client(settings_of(&cluster.url(), &certificates), &certificates);
    assert_eq!(failure_of_change(&accepted).await, None);
    // the primary that comes next is verified like the one before
    let primary = cluster.primary_of("a");
    cluster.move_slot(cluster.slot("a"), primary, (primary + 1) % 3);
    assert_eq!(failure_of_change(&accepted).await, None);
    let replica = cluster.replicas_of(0)[0];
    let () = cluster.run(replica, &["CLUSTER", "FAILOVER"]);
    cluster.wait_for_promotion(&[replica]);
    assert_eq!(failure_of_change(&accepted).await, None);

    let unknown_ca = with_client(settings_of(&cluster.url(), &others), &certificates);
    let text = failure_of_change(&unknown_ca).await.unwrap();
    assert!(text.contains("invalid peer certificate: UnknownIssuer"), "{text}");
    let without = settings_of(&cluster.url(), &certificates);
    for refused in [without.clone(), with_client(without, &others)] {
        assert_ne!(failure_of_change(&refused).await, None);
    }
    // a connection in the clear to a port for TLS
    let in_the_clear = cluster.url().replace("rediss", "redis");
    let in_the_clear = Settings::default().with_store(&in_the_clear).unwrap();
    assert_ne!(failure_of_change(&in_the_clear).await, None);
}

#[tokio::test]
async fn nodes_of_a_cluster_are_verified_by_the_names_that_they_announce() {
    let certificates = Certificates::new();
    let options = certificates.options("localhost", "no");
    let cluster = RedisCluster::with_tls(&options);
    let by_address = settings_of(&cluster.url(), &certificates);
    let by_name = settings_of(&cluster.url_by("localhost"), &certificates);
    // also the nodes that the URL does not name: they announce the address
    for refused in [by_address, by_name.clone()] {
        let text = failure_of_change(&refused).await.unwrap();
        assert!(text.contains("certificate not valid for name \"127.0.0.1\""), "{text}");
    }
    for server in cluster.servers() {
        let () = server.run(&["CONFIG", "SET", "cluster-announce-hostname", "localhost"]);
        let () = server.run(&["CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"]);
    }
    // until the nodes have told each other
    let mut text = Some(String::new());
    for _ in 0..100 {
        text = failure_of_change(&by_name).await;
        if text.is_none() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(text, None);
}

#[tokio::test]
async fn sentinels_with_a_wrong_name_are_refused() {
    let certificates = Certificates::new();
    let redis = RedisSentinel::with_tls(&certificates.options("elsewhere", "no"));
    let text = failure_of_change(&settings_of(&redis.tls_url(), &certificates)).await;
    let text = text.unwrap();
    assert!(text.contains("certificate not valid for name \"127.0.0.1\""), "{text}");
}

#[tokio::test]
async fn system_roots_are_used_without_a_ca_file() {
    let certificates = Certificates::new();
    let server = Server::start(&certificates, "server", "no");
    let ca = certificates.certificate("ca").display().to_string();
    let url = format!("rediss://127.0.0.1:{}", server.port.number());
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
