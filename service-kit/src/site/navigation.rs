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
/// The form that sets a new password by a link that an operator made.
pub const RESET: &str = "/user/reset";
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

/// Returns the entries for a signed-in user, for a signed-out one, or for one of whom nothing is known.
pub(crate) fn links(signed_in: Option<bool>) -> Vec<Link> {
    let mut links = vec![link(SESSION, "Account"), link(TASKS, "Tasks")];
    match signed_in {
        Some(true) => links.push(link(DEVICES, "Devices")),
        Some(false) => links.extend([link(LOGIN, "Sign in"), link(REGISTER, "Register")]),
        None => {}
    }
    links
}

/// Returns the link from an error page to the page that the path belongs to, such as the list that a form was on. `prefix` is
/// that of the service.
pub(crate) fn page_of(path: &str, prefix: &str) -> Link {
    // a page comes before those that contain it
    const PAGES: [Link; 7] = [
        link(DEVICES, "Go to Devices"),
        link(PASSWORD, "Go to Change your password"),
        link(DELETE, "Go to Delete your account"),
        link(LOGIN, "Go to Sign in"),
        link(REGISTER, "Go to Register"),
        link(SESSION, "Go to Account"),
        link(TASKS, "Go to Tasks"),
    ];
    let contains = |page: &&Link| {
        let rest = path.strip_prefix(page.path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if path.ends_with("/note") {
        return link(SESSION, "Go to Account");
    }
    PAGES.iter().find(contains).cloned().unwrap_or_else(|| Link {
        path: format!("{prefix}/").into(),
        text: "Go to the start page",
    })
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn error_leads_to_the_page_of_its_address() {
        for (path, text, page) in [
            ("/task/0123456789abcdef/title", "Go to Tasks", "/task/"),
            ("/task/note", "Go to Account", "/user/"),
            ("/user/sessions/revoke", "Go to Devices", "/user/sessions"),
            ("/user/login", "Go to Sign in", "/user/login"),
            ("/user/login-page", "Go to Account", "/user/"),
            ("/user", "Go to Account", "/user/"),
            ("/users", "Go to the start page", "/test/"),
            ("//example.com", "Go to the start page", "/test/"),
        ] {
            let link = page_of(path, "/test");
            assert_eq!((link.text, &*link.path), (text, page), "{path}");
        }
    }
}
