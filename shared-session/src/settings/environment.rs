//! Warns about unknown variables of the environment that look like settings.

use std::env;
use std::ffi::OsString;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::table::SETTINGS;

const PREFIX: &str = "SESSION_";

/// A variable of desktops, which names the manager of the X session.
const OF_DESKTOPS: &str = "SESSION_MANAGER";

/// Whether this process takes settings from its environment.
static IS_READ: AtomicBool = AtomicBool::new(false);

/// Notes that settings are taken from the environment.
pub(super) fn note_read() {
    IS_READ.store(true, Ordering::Relaxed);
}

/// Warns once about each unknown variable, if settings were taken from the environment. The manager calls this when it is built,
/// because many applications set up their log after they have read the settings.
pub(crate) fn warn_about_unknown_variables() {
    static WARNING: Once = Once::new();
    if !IS_READ.load(Ordering::Relaxed) {
        return;
    }
    WARNING.call_once(|| {
        for (variable, nearest) in unknown(env::vars_os().map(|(name, _)| name)) {
            match nearest {
                Some(nearest) => {
                    tracing::warn!("unknown variable {variable} is ignored: did you mean {nearest}?");
                }
                None => tracing::warn!("unknown variable {variable} is ignored: shared-session has no such setting"),
            }
        }
    });
}

/// Returns the unknown names that begin as settings do, each with the setting that is spelt nearly the same.
fn unknown(names: impl Iterator<Item = OsString>) -> Vec<(String, Option<&'static str>)> {
    let is_known = |name: &str| name == OF_DESKTOPS || SETTINGS.iter().any(|setting| setting.variable == name);
    let names = names.filter_map(|name| name.into_string().ok());
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !is_known(name));
    let mut unknown: Vec<_> = unknown
        .map(|name| {
            let nearest = nearest(&name);
            (name, nearest)
        })
        .collect();
    unknown.sort();
    unknown
}

/// Returns the setting that `name` misspells: at most two characters differ, and at most one of three. Other programs have
/// variables that begin with `SESSION_`, too: `SESSION_URL` is not a misspelt `SESSION_TTL`.
fn nearest(name: &str) -> Option<&'static str> {
    let distances = SETTINGS.iter().map(|setting| {
        // two letters that changed places count as one
        let distance = strsim::osa_distance(name, setting.variable);
        (distance, setting.variable)
    });
    let (distance, variable) = distances.min()?;
    let permitted = ((variable.len() - PREFIX.len()) / 3).min(2);
    (distance <= permitted).then_some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_settings_get_the_nearest_name() {
        for (name, setting) in [
            ("SESSION_STOER", "SESSION_STORE"),
            ("SESSION_TLL", "SESSION_TTL"),
            ("SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_SAME_SITE"),
            ("SESSION_COOKIES_SECURE", "SESSION_COOKIE_SECURE"),
            ("SESSION_LIFE_TIME", "SESSION_LIFETIME"),
            ("SESSION_MAX_PER_USERS", "SESSION_MAX_PER_USER"),
        ] {
            assert_eq!(unknown([name.into()].into_iter()), [(name.to_owned(), Some(setting))]);
        }
    }

    #[test]
    fn variables_of_other_programs_get_no_name() {
        for name in [
            "SESSION_SECRET",
            "SESSION_URL",
            "SESSION_KEY",
            "SESSION_DRIVER",
            "SESSION_DOMAIN",
            "SESSION_REDIS_URL",
            "SESSION_",
        ] {
            assert_eq!(unknown([name.into()].into_iter()), [(name.to_owned(), None)]);
        }
    }

    #[test]
    fn settings_and_names_without_the_prefix_get_no_warning() {
        let names = SETTINGS.iter().map(|setting| setting.variable);
        let others = [
            "SESSION_MANAGER",
            "SESSIONNAME",
            "XDG_SESSION_ID",
            "session_ttl",
            "PATH",
        ];
        assert_eq!(unknown(names.chain(others).map(OsString::from)), []);
    }
}
