//! [`Settings`] as command-line options, made from the table.

use ::clap::builder::{PossibleValue, TypedValueParser};
use ::clap::error::ErrorKind;
use ::clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::error::option;
use super::setting::Setting;
use super::table::SETTINGS;
use super::{Settings, SettingsError, environment};

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        environment::note_read();
        for setting in SETTINGS {
            if let Some(text) = matches.get_one::<String>(&option(setting.variable)) {
                setting.apply(self, text).map_err(|reason| error(setting, reason))?;
            }
        }
        Ok(())
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let name = option(setting.variable);
    Arg::new(name.clone())
        .long(name)
        .env(setting.variable)
        .hide_env_values(setting.is_secret())
        .value_name(setting.variable)
        .help(setting.help)
        .help_heading("Sessions")
        .default_value(setting.default)
        .value_parser(Parser(setting))
}

/// Checks a value while clap can still name its option.
#[derive(Clone)]
struct Parser(&'static Setting);

impl TypedValueParser for Parser {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &std::ffi::OsStr) -> Result<String, Error> {
        let Self(setting) = self;
        let text = value.to_str().ok_or_else(|| "the value is not valid UTF-8".to_owned());
        text.and_then(|text| {
            setting.apply(&mut Settings::default(), text)?;
            Ok(text.to_owned())
        })
        .map_err(|reason| error(setting, reason).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = self.0.values.iter();
        (!self.0.values.is_empty())
            .then(|| Box::new(values.map(|(value, help)| PossibleValue::new(*value).help(*help))) as Box<_>)
    }
}

/// Returns an error without the value, which can hold a password. clap's own error would repeat it.
fn error(setting: &Setting, reason: String) -> Error {
    let error = SettingsError::new(setting.variable, reason);
    Error::raw(ErrorKind::ValueValidation, format!("{error}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Settings::augment_args(Command::new("test").no_binary_name(true))
    }

    fn parse(options: &[&str]) -> Result<Settings, Error> {
        let command = command().mut_args(|option| option.env(None));
        Settings::from_arg_matches(&command.try_get_matches_from(options)?)
    }

    #[test]
    fn options_without_arguments_are_the_defaults() {
        assert_eq!(
            format!("{:?}", parse(&[]).unwrap()),
            format!("{:?}", Settings::default())
        );
    }

    #[test]
    fn options_set_their_settings() {
        let settings = parse(&["--session-ttl", "2h", "--session-cookie-name=id"]).unwrap();
        assert_eq!((settings.ttl().as_secs(), settings.cookie_name()), (7200, "id"));
    }

    #[test]
    fn errors_name_option_and_variable_and_repeat_no_value() {
        for (option, value) in [
            ("--session-store", "foo://:secret@host"),
            ("--session-store", "redis://:secret@host:port"),
            (
                "--session-store",
                "redis-sentinel://:secret@host:26379?sentinel_password=secret",
            ),
            ("--session-store", "redis-cluster://:secret@host/secret"),
            ("--session-ttl", "secret"),
            ("--session-ttl", "0s"),
            ("--session-format", "secret"),
            ("--session-cookie-secure", "secret"),
            ("--session-key-prefix", ""),
        ] {
            let error = parse(&[option, value]).unwrap_err().to_string();
            let line = error.lines().next().unwrap();
            assert!(line.starts_with(&format!("error: {option} (SESSION_")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn help_shows_defaults_and_valid_values_and_hides_the_store_url() {
        let mut command = command();
        let store = command
            .get_arguments()
            .find(|option| option.get_id() == "session-store");
        assert!(store.unwrap().is_hide_env_values_set());
        let help = command.render_long_help().to_string();
        for text in [
            "Sessions:",
            "[env: SESSION_TTL",
            "[default: 1h]",
            "- always:",
            "--session-store-timeout",
        ] {
            assert!(help.contains(text), "{text}: {help}");
        }
    }
}
