//! [`Setting`]: a setting as the environment and the command line know it. The macro declares all of them.

use super::Settings;

/// A setting, as the environment and the command line know it.
#[cfg_attr(not(feature = "clap"), allow(dead_code))] // only the command line has help
pub(super) struct Setting {
    pub variable: &'static str,
    pub help: &'static str,
    /// The default as text; none if it depends on another setting.
    pub default: Option<&'static str>,
    /// The valid values with their meaning, if only a few are valid.
    pub values: &'static [(&'static str, &'static str)],
    pub set: fn(&mut Settings, &str) -> Result<(), String>,
}

impl Setting {
    /// Parses the text and sets the value, or returns why the text is invalid.
    pub fn apply(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("the value is empty".to_owned());
        }
        (self.set)(settings, text)
    }

    /// Returns whether the value can hold a secret.
    #[cfg(feature = "clap")]
    pub fn is_secret(&self) -> bool {
        self.variable == "SESSION_STORE"
    }
}

/// Declares [`Settings`] and the table of them, `SETTINGS`. A declaration of a setting consists of
///
/// - the field and its default;
/// - the variable, its default as text, the function that parses its text, and the help of its option;
/// - the getter, which is a method that returns the block's value;
/// - the setter, which is a method that stores the block's value, or returns a `SettingsError` that names the variable.
macro_rules! settings {
    (
        $(#[$about:meta])*
        pub struct Settings;
        $(
            $field:ident: $type:ty = $default:expr;
            $variable:literal $(= $default_text:literal)? by $parse:path $(, one of $values:path)?: $help:literal;
            $(#[$getter_doc:meta])*
            $getter_vis:vis fn $getter:ident() -> $returned:ty $get:block
            $(#[$setter_doc:meta])*
            $setter_vis:vis fn $setter:ident($value:ident: $given:ty) -> $result:ident $set:block
        )*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                }
            }
        }

        impl Settings {
            $(
                $(#[$getter_doc])*
                #[must_use]
                $getter_vis fn $getter(&self) -> $returned {
                    let Self { $field, .. } = self;
                    $get
                }

                settings! {
                    @setter $result:
                    $(#[$setter_doc])*
                    $setter_vis fn $setter($value: $given) $field, $variable, $set
                }
            )*
        }

        pub(super) static SETTINGS: &[Setting] = &[$(
            Setting {
                variable: $variable,
                help: $help,
                default: settings!(@default $($default_text)?),
                values: settings!(@values $($values)?),
                set: |settings, text| {
                    let $value = $parse(text)?;
                    settings.$field = settings!(@value $result: $set);
                    Ok(())
                },
            },
        )*];
    };
    (@setter Self: $(#[$doc:meta])* $vis:vis fn $name:ident($value:ident: $given:ty) $field:ident, $variable:literal, $set:block) => {
        $(#[$doc])*
        #[must_use]
        $vis fn $name(mut self, $value: $given) -> Self {
            self.$field = $set;
            self
        }
    };
    (@setter Result: $(#[$doc:meta])* $vis:vis fn $name:ident($value:ident: $given:ty) $field:ident, $variable:literal, $set:block) => {
        $(#[$doc])*
        $vis fn $name(mut self, $value: $given) -> Result<Self, SettingsError> {
            self.$field = $set.map_err(SettingsError::of($variable))?;
            Ok(self)
        }
    };
    (@value Self: $set:block) => { $set };
    (@value Result: $set:block) => { $set? };
    (@default) => { None };
    (@default $text:literal) => { Some($text) };
    (@values) => { &[] };
    (@values $values:path) => { $values };
}
pub(super) use settings;
