//! [`Options`]: what a connection needs to know, as a value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::RedisError;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use secrecy::{ExposeSecret, SecretString};

use super::RedisFailure;
use super::connector::Endpoint;
use crate::topology::Topology;

/// How long a connection may be idle before TCP asks whether the other host is still there.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// How long sent data may stay unacknowledged before TCP closes the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// How to connect to Redis. `Debug` shows no password.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where Redis runs, with the passwords.
    pub topology: Topology,
    /// The files with the passwords of the topology's servers, and of the primary that Sentinels name.
    pub password_files: PasswordFiles,
    /// Used if the topology uses TLS.
    #[cfg(feature = "tls")]
    pub certificates: CertificateFiles,
    /// How many replicas must confirm a change. None do on a cluster.
    pub replicas: u32,
    /// How long a request waits for all of its commands.
    pub timeout: Duration,
}

/// The files whose first line is a password.
#[derive(Debug, Default)]
pub(crate) struct PasswordFiles {
    pub servers: Option<PathBuf>,
    pub primary: Option<PathBuf>,
}

/// The files (PEM) with the certificates for TLS.
#[cfg(feature = "tls")]
#[derive(Debug, Default)]
pub(crate) struct CertificateFiles {
    /// The certificates that sign the servers' certificates. `None`: the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Options {
    /// Returns the servers of the topology, with the certificates and with the options of TCP.
    pub(super) fn servers(&self) -> Result<Vec<Endpoint>, OptionsError> {
        let servers = self.topology.servers.iter().cloned();
        let servers: Vec<_> = servers.map(|server| server.set_tcp_settings(tcp_settings())).collect();
        #[cfg(feature = "tls")]
        let servers = if self.topology.uses_tls() {
            super::tls::with_certificates(servers, &self.certificates)?
        } else {
            servers
        };
        let password_file = self.password_files.servers.as_deref();
        let servers = servers.into_iter().map(|server| Endpoint::new(server, password_file));
        Ok(servers.collect())
    }
}

/// The option with which no connection can be created, and why. The reason repeats no secret.
#[derive(Debug)]
pub(crate) enum OptionsError {
    Servers(String),
    #[cfg(feature = "tls")]
    CaFile(String),
    #[cfg(feature = "tls")]
    CertFile(String),
    #[cfg(feature = "tls")]
    KeyFile(String),
}

impl From<RedisError> for OptionsError {
    fn from(error: RedisError) -> Self {
        Self::Servers(RedisFailure::from(error).to_string())
    }
}

/// Returns the options of each TCP connection. Linux's defaults notice a vanished host after a quarter of an hour.
pub(super) fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 2);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

/// Reads the first line of a file, which is a password.
pub(crate) fn first_line(file: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let text = SecretString::from(text);
    match text.expose_secret().lines().next() {
        Some(password) if !password.is_empty() => Ok(password.into()),
        _ => Err("the first line is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_the_options_of_tcp() {
        let expected = format!("{:?}", tcp_settings());
        for url in ["redis://h1", "redis-sentinel://h1:1,h2:2/m", "redis-cluster://h1,h2"] {
            let options = Options {
                topology: Topology::parse(url).unwrap(),
                password_files: PasswordFiles::default(),
                #[cfg(feature = "tls")]
                certificates: CertificateFiles::default(),
                replicas: 0,
                timeout: Duration::ZERO,
            };
            for server in options.servers().unwrap() {
                assert_eq!(
                    format!("{:?}", server.client().unwrap().get_connection_info().tcp_settings()),
                    expected,
                    "{url}"
                );
            }
        }
    }
}
