//! The address of the store: `SESSION_STORE`, with the passwords from their files.

use std::path::Path;
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionInfo, RedisConnectionInfo};
use secrecy::{ExposeSecret, SecretString};

use super::Topology;
use super::tls::Certificates;
use super::topology::SentinelInfo;
use crate::settings::{Settings, SettingsError, StoreUrl};

const PASSWORD: &str = "SESSION_STORE_PASSWORD_FILE";
const SENTINEL_PASSWORD: &str = "SESSION_STORE_SENTINEL_PASSWORD_FILE";

/// How long a connection may be idle before TCP asks whether the other host is still there.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// How long sent data may stay unacknowledged before TCP closes the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the address of the store, complete with passwords from files and with options of TCP.
pub(super) fn topology(settings: &Settings) -> Result<Topology, SettingsError> {
    let StoreUrl::Redis(topology) = settings.store() else {
        return Err(SettingsError::new("SESSION_STORE", "it is not a URL of Redis"));
    };
    check_together(settings, topology)?;
    let certificates = Certificates::load(settings, topology)?;
    let complete = |info: ConnectionInfo, password: &Password| {
        let login = password.add_to(info.redis_settings().clone())?;
        certificates.add_to(info.set_redis_settings(login).set_tcp_settings(tcp_settings()))
    };
    let password = Password::read(PASSWORD, settings.store_password_file())?;
    Ok(match topology.as_ref().clone() {
        Topology::Server(info) => Topology::Server(complete(info, &password)?),
        Topology::Sentinel(SentinelInfo {
            sentinels,
            primary,
            login,
        }) => {
            let of_sentinels = Password::read(SENTINEL_PASSWORD, settings.store_sentinel_password_file())?;
            let sentinels = sentinels.into_iter().map(|info| complete(info, &of_sentinels));
            Topology::Sentinel(SentinelInfo {
                sentinels: sentinels.collect::<Result<_, _>>()?,
                primary,
                login: password.add_to(login)?,
            })
        }
        Topology::Cluster(nodes) => {
            let nodes = nodes.into_iter().map(|info| complete(info, &password));
            Topology::Cluster(nodes.collect::<Result<_, _>>()?)
        }
    })
}

/// Checks that the settings fit the topology.
fn check_together(settings: &Settings, topology: &Topology) -> Result<(), SettingsError> {
    match topology {
        Topology::Cluster(_) if settings.store_replicas() > 0 => Err(SettingsError::new(
            "SESSION_STORE_REPLICAS",
            "not supported with a cluster; remove it",
        )),
        Topology::Server(_) | Topology::Cluster(_) if settings.store_sentinel_password_file().is_some() => Err(
            SettingsError::new(SENTINEL_PASSWORD, "SESSION_STORE names no Sentinels; remove it"),
        ),
        _ => Ok(()),
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

/// The password in a file that a setting names, if it does.
struct Password {
    variable: &'static str,
    password: Option<SecretString>,
}

impl Password {
    /// Reads the first line of a file.
    fn read(variable: &'static str, file: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(file) = file else {
            return Ok(Self {
                variable,
                password: None,
            });
        };
        let invalid = |reason: &str| SettingsError::new(variable, format!("{}: {reason}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| invalid(&error.to_string()))?;
        let text = SecretString::from(text);
        match text.expose_secret().lines().next() {
            Some(password) if !password.is_empty() => {
                let password = Some(password.into());
                Ok(Self { variable, password })
            }
            _ => Err(invalid("the first line is empty")),
        }
    }

    fn add_to(&self, login: RedisConnectionInfo) -> Result<RedisConnectionInfo, SettingsError> {
        match (&self.password, login.password()) {
            (None, _) => Ok(login),
            (Some(password), None) => Ok(login.set_password(password.expose_secret())),
            (Some(_), Some(_)) => {
                let reason = format!("it has a password, and {} names another one", self.variable);
                Err(SettingsError::new("SESSION_STORE", reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(store: &str, file: &Path) -> Settings {
        let settings = Settings::default().with_store(store).unwrap();
        settings.with_store_password_file(file)
    }

    #[test]
    fn password_is_read_from_its_file() {
        let folder = std::env::temp_dir().join(format!("shared-session-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("password");
        std::fs::write(&file, "p@ss/w:rd\n").unwrap();
        let Ok(Topology::Server(info)) = topology(&settings("redis://anna@host:7000/3", &file)) else {
            panic!("not one server");
        };
        let login = info.redis_settings();
        assert_eq!(
            (login.username(), login.password(), login.db()),
            (Some("anna"), Some("p@ss/w:rd"), 3)
        );

        std::fs::write(folder.join("empty"), "\n").unwrap();
        for name in ["empty", "missing"] {
            let error = topology(&settings("redis://host", &folder.join(name))).unwrap_err();
            assert!(error.to_string().contains("(SESSION_STORE_PASSWORD_FILE)"), "{error}");
        }
        let twice = topology(&settings("redis://:secret@host", &file)).unwrap_err();
        let text = twice.to_string();
        assert!(text.contains("(SESSION_STORE)") && !text.contains("secret"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_server_has_the_options_of_tcp() {
        let expected = format!("{:?}", tcp_settings());
        for url in ["redis://h1", "redis-sentinel://h1:1,h2:2/m", "redis-cluster://h1,h2"] {
            let infos = match topology(&Settings::default().with_store(url).unwrap()).unwrap() {
                Topology::Server(info) => vec![info],
                Topology::Sentinel(info) => info.sentinels,
                Topology::Cluster(nodes) => nodes,
            };
            for info in infos {
                assert_eq!(format!("{:?}", info.tcp_settings()), expected, "{url}");
            }
        }
    }

    #[test]
    fn memory_store_has_no_address() {
        let error = topology(&Settings::default()).unwrap_err();
        assert!(error.to_string().contains("(SESSION_STORE)"), "{error}");
    }
}
