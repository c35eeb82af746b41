//! [`Settings`]: every knob, as command-line options with environment variables. `--help` is their manual.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use ::redis::{ConnectionInfo, IntoConnectionInfo};
use clap::{Args, FromArgMatches, ValueEnum};

use crate::format::Format;
use crate::session::fields::RESERVED;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST: Duration = Duration::from_secs(3650 * DAY.as_secs());

/// Where sessions are kept and how. Flatten it into a service's own options with `#[command(flatten)]`, or take it
/// from the environment alone with [`Settings::from_env`].
#[derive(Clone, Args)]
#[command(next_help_heading = "Sessions")]
pub struct Settings {
    /// Where sessions are kept: `redis://[user:password@]host:6379/0`, or `memory:` for this process alone
    // the URL may hold a password, so neither help nor errors show it
    #[arg(
        id = "session-store",
        long,
        env = "SESSION_STORE",
        value_name = "SESSION_STORE",
        default_value = "memory:",
        hide_env_values = true
    )]
    pub store: String,

    /// A file that holds the store's password, for a URL without one: nothing secret then stands in the environment
    #[arg(
        id = "session-store-password-file",
        long,
        env = "SESSION_STORE_PASSWORD_FILE",
        value_name = "SESSION_STORE_PASSWORD_FILE"
    )]
    pub store_password_file: Option<PathBuf>,

    /// How records are spelled. Services that share sessions must agree on it
    #[arg(
        id = "session-format",
        long,
        env = "SESSION_FORMAT",
        value_name = "SESSION_FORMAT",
        value_enum,
        default_value = "json"
    )]
    pub format: Format,

    /// How long a session lasts without a request, as `1h` or `30m`. Every request begins it anew
    #[arg(id = "session-ttl", long, env = "SESSION_TTL", value_name = "SESSION_TTL", default_value = "1h", value_parser = lifetime)]
    pub ttl: Duration,

    /// How long a session lasts at most, from its creation
    #[arg(id = "session-lifetime", long, env = "SESSION_LIFETIME", value_name = "SESSION_LIFETIME", default_value = "24h", value_parser = lifetime)]
    pub lifetime: Duration,

    /// The cookie's name [default: `sid`, or as the format has it]
    #[arg(id = "session-cookie-name", long, env = "SESSION_COOKIE_NAME", value_name = "SESSION_COOKIE_NAME", value_parser = cookie_name)]
    pub cookie_name: Option<String>,

    /// Whether the cookie is sent over https alone. `auto`: as the request came, by what the proxy says of it
    #[arg(
        id = "session-cookie-secure",
        long,
        env = "SESSION_COOKIE_SECURE",
        value_name = "SESSION_COOKIE_SECURE",
        value_enum,
        default_value = "auto"
    )]
    pub cookie_secure: Secure,

    /// What the keys of records begin with [default: `session:`]
    #[arg(id = "session-key-prefix", long, env = "SESSION_KEY_PREFIX", value_name = "SESSION_KEY_PREFIX", value_parser = key_prefix)]
    pub key_prefix: Option<String>,

    /// The field that tells whose session it is: a text or a number. A person's sessions are found by it
    #[arg(id = "session-principal-field", long, env = "SESSION_PRINCIPAL_FIELD", value_name = "SESSION_PRINCIPAL_FIELD", default_value = "userid", value_parser = principal_field)]
    pub principal_field: String,

    /// How long one request waits for the store, all its steps together, as `500ms`. Then it is answered 503
    #[arg(id = "session-store-timeout", long, env = "SESSION_STORE_TIMEOUT", value_name = "SESSION_STORE_TIMEOUT", default_value = "500ms", value_parser = patience)]
    pub store_timeout: Duration,
}

/// `SESSION_COOKIE_SECURE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Secure {
    /// As the scheme of the request that gets the cookie, which a proxy tells in `X-Forwarded-Proto`.
    #[default]
    Auto,
    /// Over https alone.
    Always,
    /// Over http too.
    Never,
}

/// A setting that cannot be. Its text is one line that names the option and the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(crate) String);

impl SettingsError {
    /// What is wrong with `SESSION_PRINCIPAL_FIELD`.
    #[must_use]
    pub fn principal_field(reason: &str) -> Self {
        Self(format!("--session-principal-field (SESSION_PRINCIPAL_FIELD): {reason}"))
    }

    /// What is wrong with `SESSION_STORE`. The reason must not repeat the URL, which may hold a password.
    #[must_use]
    pub fn store(reason: &str) -> Self {
        Self(format!("--session-store (SESSION_STORE): {reason}"))
    }
}

impl Settings {
    /// The settings that the environment variables hold.
    ///
    /// # Errors
    ///
    /// When one of them cannot be.
    pub fn from_env() -> Result<Self, SettingsError> {
        let command = Self::augment_args(clap::Command::new("settings").no_binary_name(true));
        let parsed = command.try_get_matches_from(std::iter::empty::<&str>());
        let settings = parsed.and_then(|matches| Self::from_arg_matches(&matches));
        settings.map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            SettingsError(line.trim_start_matches("error: ").to_owned())
        })
    }

    /// Whether sessions are kept in this process, so that no other one shares them.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.store == "memory:"
    }

    /// How the Redis of `SESSION_STORE` is reached, with the password out of its file: for this crate, and for a service
    /// that keeps more than sessions there.
    ///
    /// # Errors
    ///
    /// When the store is no `redis://` URL, or the password cannot be read.
    pub fn connection_info(&self) -> Result<ConnectionInfo, SettingsError> {
        let wrong = SettingsError::store;
        // the URL itself is not repeated: it may hold a password
        if !self.store.starts_with("redis:") {
            return Err(wrong("it begins with neither redis:// nor memory:"));
        }
        let info = self.store.as_str().into_connection_info();
        let info = info.map_err(|error| wrong(&format!("not a Redis URL: {error}")))?;
        let Some(file) = &self.store_password_file else {
            return Ok(info);
        };
        if info.redis_settings().password().is_some() {
            return Err(wrong(
                "it has a password, and SESSION_STORE_PASSWORD_FILE names another",
            ));
        }
        let login = info.redis_settings().clone().set_password(password(file)?);
        Ok(info.set_redis_settings(login))
    }

    /// The cookie's name.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.cookie_name.as_deref().unwrap_or(self.format.cookie_name())
    }

    /// What keys begin with.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        self.key_prefix.as_deref().unwrap_or("session:")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: "memory:".to_owned(),
            store_password_file: None,
            format: Format::default(),
            ttl: Duration::from_secs(60 * 60),
            lifetime: DAY,
            cookie_name: None,
            cookie_secure: Secure::default(),
            key_prefix: None,
            principal_field: "userid".to_owned(),
            store_timeout: Duration::from_millis(500),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("format", &self.format)
            .field("ttl", &self.ttl)
            .field("lifetime", &self.lifetime)
            .field("cookie_name", &self.cookie_name())
            .field("cookie_secure", &self.cookie_secure)
            .field("key_prefix", &self.key_prefix())
            .field("principal_field", &self.principal_field)
            .field("store_timeout", &self.store_timeout)
            .finish_non_exhaustive()
    }
}

/// A file's first line, which is what a secret in a file is by convention.
fn password(file: &Path) -> Result<String, SettingsError> {
    let wrong = |reason: String| {
        let file = file.display();
        SettingsError(format!(
            "--session-store-password-file (SESSION_STORE_PASSWORD_FILE): {file}: {reason}"
        ))
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(wrong("it holds no password".to_owned())),
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_secs(1), LONGEST)
}

fn patience(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_millis(1), Duration::from_secs(60))
}

fn duration(text: &str, shortest: Duration, longest: Duration) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 1h, 30m or 500ms"))?;
    if duration < shortest || duration > longest {
        let [shortest, longest] = [shortest, longest].map(humantime::format_duration);
        return Err(format!("it must be between {shortest} and {longest}"));
    }
    Ok(duration)
}

/// A token, as RFC 6265 wants a cookie's name to be.
fn cookie_name(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return Err("a cookie's name is letters, digits, - and _".to_owned());
    }
    Ok(text.to_owned())
}

fn key_prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a prefix is printable ASCII without spaces, such as session:".to_owned());
    }
    Ok(text.to_owned())
}

fn principal_field(text: &str) -> Result<String, String> {
    if text.is_empty() || text == RESERVED {
        return Err(format!(
            "a field's name is not empty, and {RESERVED} is the session's own"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Settings, clap::Error> {
        let command = Settings::augment_args(clap::Command::new("test").no_binary_name(true));
        Settings::from_arg_matches(
            &command
                .mut_args(|option| option.env(None))
                .try_get_matches_from(options)?,
        )
    }

    #[test]
    fn the_defaults_are_those_of_the_options() {
        let (parsed, default) = (parse(&[]).unwrap(), Settings::default());
        assert_eq!(format!("{parsed:?}"), format!("{default:?}"));
        assert_eq!(parsed.store, default.store);
    }

    #[test]
    fn what_cannot_be_is_told_by_option() {
        for (option, value) in [
            ("--session-ttl", "abc"),
            ("--session-ttl", "0s"),
            ("--session-lifetime", "500000d"),
            ("--session-store-timeout", "0ms"),
            ("--session-format", "xml"),
            ("--session-cookie-name", "a b"),
            ("--session-cookie-secure", "maybe"),
            ("--session-key-prefix", ""),
            ("--session-principal-field", ""),
            ("--session-principal-field", "_session"),
        ] {
            let error = parse(&[option, value]).unwrap_err().to_string();
            assert!(error.lines().next().unwrap().contains(option), "{error}");
        }
    }

    #[test]
    fn a_password_comes_from_its_file() {
        let folder = std::env::temp_dir().join(format!("shared-session-settings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("password");
        fs::write(&file, "p@ss/w:rd\n").unwrap();
        let settings = |store: &str, file: &Path| Settings {
            store: store.to_owned(),
            store_password_file: Some(file.to_owned()),
            ..Settings::default()
        };
        let info = settings("redis://anna@host:7000/3", &file).connection_info().unwrap();
        let login = info.redis_settings();
        assert_eq!(
            (login.username(), login.password(), login.db()),
            (Some("anna"), Some("p@ss/w:rd"), 3)
        );
        assert_eq!(info.addr().to_string(), "host:7000");

        fs::write(folder.join("empty"), "\n").unwrap();
        for missing in ["empty", "nothing"] {
            let error = settings("redis://host", &folder.join(missing))
                .connection_info()
                .unwrap_err();
            assert!(error.to_string().contains("(SESSION_STORE_PASSWORD_FILE)"), "{error}");
        }
        let twice = settings("redis://:secret@host", &file).connection_info().unwrap_err();
        assert!(
            twice.to_string().contains("(SESSION_STORE)") && !twice.to_string().contains("secret"),
            "{twice}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn neither_help_nor_debug_shows_the_store() {
        let settings = parse(&["--session-store", "redis://:secret@host"]).unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
        let command = Settings::augment_args(clap::Command::new("test"));
        let store = command
            .get_arguments()
            .find(|option| option.get_id() == "session-store")
            .unwrap();
        assert!(store.is_hide_env_values_set());
    }
}
