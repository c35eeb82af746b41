//! What a page shows around its own content.

use shared_session::Session;

use super::program::Program;
use super::{User, flash, navigation};

/// The values that the layout shows. A template that extends `app.html` or `layout.html` has them in its field `layout`.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The prefix of the service: the linked stylesheet and icon are under it.
    pub prefix: &'static str,
    /// The address of the page, which the navigation marks as current.
    pub path: &'static str,
    /// The signed-in user.
    pub user: Option<User>,
    /// Whether it is unknown if a user is signed in, because the session could not be read.
    pub user_is_unknown: bool,
    /// The message that another page left for this one.
    pub message: Option<String>,
}

impl Layout {
    /// Returns the layout of a page for the user of the session, and takes the message out of the session.
    #[must_use]
    pub fn new(session: &Session, prefix: &'static str, path: &'static str) -> Self {
        Self {
            prefix,
            path,
            user: User::of(session),
            user_is_unknown: false,
            message: flash::take(session),
        }
    }

    /// Returns the layout of a page that shows neither the user nor a message.
    #[must_use]
    pub fn without_session(prefix: &'static str) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    /// Returns the name of the service that serves the page.
    #[must_use]
    pub fn service(&self) -> &'static str {
        Program::at(self.prefix).map_or(self.prefix.trim_start_matches('/'), |program| program.name)
    }

    /// Returns the entries of the navigation.
    #[must_use]
    pub fn links(&self) -> Vec<navigation::Link> {
        navigation::links((!self.user_is_unknown).then_some(self.user.is_some()))
    }
}
