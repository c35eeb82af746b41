//! The navigation of every page. It is the one place that knows the addresses of all services.

/// The page of the session.
pub const SESSION: &str = "/user/";
/// The list of tasks.
pub const TASKS: &str = "/task/";
/// The list of the user's devices.
pub const DEVICES: &str = "/user/sessions";
/// The form that changes the password.
pub const PASSWORD: &str = "/user/password";
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

/// An entry of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub path: &'static str,
    /// The text of the link.
    pub text: &'static str,
}

const fn link(path: &'static str, text: &'static str) -> Link {
    Link { path, text }
}

/// Returns the entries for a signed-in user, or for a signed-out one.
pub(crate) fn links(signed_in: bool) -> [Link; 4] {
    let [third, fourth] = if signed_in {
        [link(DEVICES, "Devices"), link(PASSWORD, "Password")]
    } else {
        [link(LOGIN, "Sign in"), link(REGISTER, "Register")]
    };
    [link(SESSION, "Session"), link(TASKS, "Tasks"), third, fourth]
}
