//! [`Connection::open`]: makes the options of a connection to Redis from [`Settings`], and names the variable that is
//! invalid.

use std::path::Path;

use redis::RedisConnectionInfo;
use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "tls")]
use crate::backend::redis::CertificateFiles;
use crate::backend::redis::{Connection, Options, OptionsError, PasswordFiles, first_line};
use crate::settings::{Settings, SettingsError, StoreUrl};
use crate::topology::{Kind, Topology};

const CACHE: &str = "SESSION_CACHE";
const STORE: &str = "SESSION_STORE";
const PASSWORD: &str = "SESSION_STORE_PASSWORD_FILE";
const SENTINEL_PASSWORD: &str = "SESSION_STORE_SENTINEL_PASSWORD_FILE";
const CA: &str = "SESSION_STORE_CA_FILE";
const CERT: &str = "SESSION_STORE_CERT_FILE";
const KEY: &str = "SESSION_STORE_KEY_FILE";
const REPLICAS: &str = "SESSION_STORE_REPLICAS";

impl Connection {
    /// Creates a connection to the Redis of `SESSION_STORE`. Does not connect yet, so that a service can start while Redis
    /// is unreachable.
    ///
    /// `SESSION_STORE_TIMEOUT` limits connecting, and each command.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if `SESSION_STORE` is not a Redis URL, or if a file that the settings name cannot be read or
    /// is invalid, or if the settings contradict each other.
    pub fn open(settings: &Settings) -> Result<Self, SettingsError> {
        Self::new(options(settings)?).map_err(|error| match error {
            OptionsError::Servers(reason) => SettingsError::new(STORE, reason),
            #[cfg(feature = "tls")]
            OptionsError::CaFile(reason) => SettingsError::new(CA, reason),
            #[cfg(feature = "tls")]
            OptionsError::CertFile(reason) => SettingsError::new(CERT, reason),
            #[cfg(feature = "tls")]
            OptionsError::KeyFile(reason) => SettingsError::new(KEY, reason),
        })
    }
}

fn options(settings: &Settings) -> Result<Options, SettingsError> {
    let StoreUrl::Redis(topology) = settings.store() else {
        return Err(SettingsError::new(STORE, "it is not a URL of Redis"));
    };
    check_together(settings, topology)?;
    Ok(Options {
        topology: with_passwords(settings, *topology.clone())?,
        password_files: password_files(settings, topology),
        #[cfg(feature = "tls")]
        certificates: CertificateFiles {
            ca: settings.store_ca_file().map(Path::to_owned),
            client: match (settings.store_cert_file(), settings.store_key_file()) {
                (None, None) => None,
                (Some(cert), Some(key)) => Some((cert.to_owned(), key.to_owned())),
                (Some(_), None) => return Err(SettingsError::new(KEY, format!("missing; {CERT} needs it"))),
                (None, Some(_)) => return Err(SettingsError::new(CERT, format!("missing; {KEY} needs it"))),
            },
        },
        replicas: settings.store_replicas(),
        timeout: settings.store_timeout(),
    })
}

/// Checks that the settings fit the topology.
fn check_together(settings: &Settings, topology: &Topology) -> Result<(), SettingsError> {
    if matches!(topology.kind, Kind::Cluster) && settings.store_replicas() > 0 {
        return Err(SettingsError::new(REPLICAS, "not supported with a cluster; remove it"));
    }
    if matches!(topology.kind, Kind::Cluster) && settings.cache().is_some() {
        return Err(SettingsError::new(CACHE, "not supported with a cluster; remove it"));
    }
    if !matches!(topology.kind, Kind::Sentinel { .. }) && settings.store_sentinel_password_file().is_some() {
        let reason = "SESSION_STORE names no Sentinels; remove it";
        return Err(SettingsError::new(SENTINEL_PASSWORD, reason));
    }
    let certificates = [
        (CA, settings.store_ca_file()),
        (CERT, settings.store_cert_file()),
        (KEY, settings.store_key_file()),
    ];
    match certificates.into_iter().find(|(_, file)| file.is_some()) {
        // otherwise the connection would be in the clear by mistake
        Some((variable, _)) if !topology.uses_tls() => {
            let reason = "SESSION_STORE does not use TLS; its URL would begin with rediss";
            Err(SettingsError::new(variable, reason))
        }
        _ => Ok(()),
    }
}

/// Adds the passwords in the files that the settings name.
fn with_passwords(settings: &Settings, mut topology: Topology) -> Result<Topology, SettingsError> {
    let mut password = Password::read(PASSWORD, settings.store_password_file())?;
    if let Kind::Sentinel { login, .. } = &mut topology.kind {
        *login = password.add_to(login)?;
        password = Password::read(SENTINEL_PASSWORD, settings.store_sentinel_password_file())?;
    }
    for server in &mut topology.servers {
        let login = password.add_to(server.redis_settings())?;
        *server = server.clone().set_redis_settings(login);
    }
    Ok(topology)
}

/// Returns the files from which each connection reads the password again.
fn password_files(settings: &Settings, topology: &Topology) -> PasswordFiles {
    let file = settings.store_password_file().map(Path::to_owned);
    if matches!(topology.kind, Kind::Sentinel { .. }) {
        PasswordFiles {
            servers: settings.store_sentinel_password_file().map(Path::to_owned),
            primary: file,
        }
    } else {
        PasswordFiles {
            servers: file,
            primary: None,
        }
    }
}

/// The password in a file that a setting names, if it does.
struct Password {
    variable: &'static str,
    password: Option<SecretString>,
}

impl Password {
    /// Reads the first line of a file.
    fn read(variable: &'static str, file: Option<&Path>) -> Result<Self, SettingsError> {
        let invalid = |file: &Path, reason| SettingsError::new(variable, format!("{}: {reason}", file.display()));
        let password = file.map(|file| first_line(file).map_err(|reason| invalid(file, reason)));
        Ok(Self {
            variable,
            password: password.transpose()?,
        })
    }

    fn add_to(&self, login: &RedisConnectionInfo) -> Result<RedisConnectionInfo, SettingsError> {
        match (&self.password, login.password()) {
            (None, _) => Ok(login.clone()),
            (Some(password), None) => Ok(login.clone().set_password(password.expose_secret())),
            (Some(_), Some(_)) => {
                let reason = format!("it has a password, and {} names another one", self.variable);
                Err(SettingsError::new(STORE, reason))
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
        let topology = options(&settings("redis://anna@host:7000/3", &file)).unwrap().topology;
        let login = topology.servers[0].redis_settings();
        assert_eq!(
            (login.username(), login.password(), login.db()),
            (Some("anna"), Some("p@ss/w:rd"), 3)
        );

        std::fs::write(folder.join("empty"), "\n").unwrap();
        for name in ["empty", "missing"] {
            let error = options(&settings("redis://host", &folder.join(name))).unwrap_err();
            assert!(error.to_string().contains("(SESSION_STORE_PASSWORD_FILE)"), "{error}");
        }
        let twice = options(&settings("redis://:secret@host", &file)).unwrap_err();
        let text = twice.to_string();
        assert!(text.contains("(SESSION_STORE)") && !text.contains("secret"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn memory_store_has_no_address() {
        let error = options(&Settings::default()).unwrap_err();
        assert!(error.to_string().contains("(SESSION_STORE)"), "{error}");
    }
}
