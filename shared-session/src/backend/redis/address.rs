//! The address of the store: `SESSION_STORE`, with the password from its file.

use std::path::Path;

use redis::{ConnectionInfo, IntoConnectionInfo};
use secrecy::{ExposeSecret, SecretString};

use crate::settings::{Settings, SettingsError, StoreUrl};

/// Checks the URL of a store.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    parse(url).map(drop)
}

/// Parses a URL. The error does not repeat it, because it can hold a password.
fn parse(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info()
        .map_err(|error| format!("invalid Redis URL: {error}"))
}

/// Returns the address of the store, with the password from its file.
pub(super) fn connection_info(settings: &Settings) -> Result<ConnectionInfo, SettingsError> {
    let invalid = |reason: String| SettingsError::new("SESSION_STORE", reason);
    let StoreUrl::Redis(url) = settings.store() else {
        return Err(invalid("it is not a redis:// URL".to_owned()));
    };
    let info = parse(url.expose_secret()).map_err(invalid)?;
    let Some(file) = settings.store_password_file() else {
        return Ok(info);
    };
    if info.redis_settings().password().is_some() {
        return Err(invalid(
            "it has a password, and SESSION_STORE_PASSWORD_FILE names another one".to_owned(),
        ));
    }
    let password = read_password(file)?;
    let login = info.redis_settings().clone().set_password(password.expose_secret());
    Ok(info.set_redis_settings(login))
}

/// Returns the first line of a file.
fn read_password(file: &Path) -> Result<SecretString, SettingsError> {
    let invalid =
        |reason: &str| SettingsError::new("SESSION_STORE_PASSWORD_FILE", format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| invalid(&error.to_string()))?;
    let text = SecretString::from(text);
    match text.expose_secret().lines().next() {
        Some(password) if !password.is_empty() => Ok(password.into()),
        _ => Err(invalid("the first line is empty")),
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
        let info = connection_info(&settings("redis://anna@host:7000/3", &file)).unwrap();
        let login = info.redis_settings();
        assert_eq!(
            (login.username(), login.password(), login.db()),
            (Some("anna"), Some("p@ss/w:rd"), 3)
        );
        assert_eq!(info.addr().to_string(), "host:7000");

        std::fs::write(folder.join("empty"), "\n").unwrap();
        for name in ["empty", "missing"] {
            let error = connection_info(&settings("redis://host", &folder.join(name))).unwrap_err();
            assert!(error.to_string().contains("(SESSION_STORE_PASSWORD_FILE)"), "{error}");
        }
        let twice = connection_info(&settings("redis://:secret@host", &file)).unwrap_err();
        let text = twice.to_string();
        assert!(text.contains("(SESSION_STORE)") && !text.contains("secret"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn memory_store_has_no_address() {
        let error = connection_info(&Settings::default()).unwrap_err();
        assert!(error.to_string().contains("(SESSION_STORE)"), "{error}");
    }
}
