//! The navigation of every page. It is the one place that knows the addresses of all services.

use std::borrow::Cow;

/// The page of the session.
pub const SESSION: &str = "/user/";
/// The list of tasks.
pub const TASKS: &str = "/task/";
/// The list of the user's devices.
pub const DEVICES: &str = "/user/sessions";
/// The form that changes the password.
pub const PASSWORD: &str = "/user/password";
/// The form that deletes the account.
pub const DELETE: &str = "/user/delete";
/// The form that signs in.
pub const LOGIN: &str = "/user/login";
/// The form that creates an account.
pub const REGISTER: &str = "/user/register";
/// The address that a form is sent to in order to sign out.
pub const LOGOUT: &str = "/user/logout";
/// The lecture's page that sets the session.
pub const LECTURE_SET: &str = "/user/redis_session_set";
/// The lecture's page that shows the session.
pub const LECTURE_GET: &str = "/task/redis_session_get";

/// A link to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub path: Cow<'static, str>,
    /// The text of the link.
    pub text: &'static str,
}

const fn link(path: &'static str, text: &'static str) -> Link {
    Link {
        path: Cow::Borrowed(path),
        text,
    }
}

/// Returns the entries for a signed-in user, or for a signed-out one.
pub(crate) fn links(signed_in: bool) -> Vec<Link> {
    let mut links = vec![link(SESSION, "Account"), link(TASKS, "Tasks")];
    if signed_in {
        links.push(link(DEVICES, "Devices"));
    } else {
        links.extend([link(LOGIN, "Sign in"), link(REGISTER, "Register")]);
    }
    links
}
