//! The programs of the site. They share the session and nothing else.

use actix_web::HttpRequest;
use actix_web::web::Data;

use super::Site;

/// A program that serves a part of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The first segment of its addresses, and of the names of the notes that it writes.
    pub id: &'static str,
    /// Its name, as pages show it.
    pub name: &'static str,
    /// The language and the framework that it is written in.
    pub language: &'static str,
    /// The page that shows the same as its card.
    pub page: &'static str,
    /// The command that starts it with the rest of the site, in parts that fit into a line each.
    pub start: &'static [&'static str],
    /// Whether it loses nothing that another program writes at the same moment. PHP's own session code writes the whole record.
    pub at_once: bool,
}

/// Serves the pages under `/user`.
pub const USER_SERVICE: Program = Program {
    id: "user",
    name: "user-service",
    language: "Rust, actix-web",
    page: "/user/#session",
    start: &["docker compose up"],
    at_once: true,
};

/// Serves the pages under `/task`.
pub const TASK_SERVICE: Program = Program {
    id: "task",
    name: "task-service",
    language: "Rust, actix-web",
    page: "/task/#session",
    start: &["docker compose up"],
    at_once: true,
};

/// All programs.
pub static PROGRAMS: [Program; 5] = [
    USER_SERVICE,
    TASK_SERVICE,
    Program {
        id: "python",
        name: "Python",
        language: "Python, Flask",
        page: "/python/#session",
        start: &["docker compose", "--profile polyglot up"],
        at_once: true,
    },
    Program {
        id: "node",
        name: "Node.js",
        language: "JavaScript, Express",
        page: "/node/#session",
        start: &["docker compose", "--profile polyglot up"],
        at_once: true,
    },
    Program {
        id: "php",
        name: "PHP",
        language: "PHP, php-fpm",
        page: "/php/fields.php",
        start: &["SESSION_FORMAT=php", "docker compose", "--profile php up"],
        at_once: false,
    },
];

impl Program {
    /// Returns the name of the field that holds the program's note of this name.
    #[must_use]
    pub fn note(&self, name: &str) -> String {
        format!("{}.{name}", self.id)
    }

    /// Returns the program whose pages are under this prefix, such as `/user`.
    pub(super) fn at(prefix: &str) -> Option<&'static Self> {
        PROGRAMS
            .iter()
            .find(|program| prefix.strip_prefix('/') == Some(program.id))
    }

    /// Returns whether the program may run beside the one that handles the request. A process that is the whole application knows
    /// that no other program runs. Behind a proxy, only the proxy knows which programs run.
    #[must_use]
    pub fn may_run(&self, request: &HttpRequest) -> bool {
        let site = request.app_data::<Data<Site>>();
        site.is_none_or(|site| !site.is_whole || site.prefixes.iter().any(|prefix| Self::at(prefix) == Some(self)))
    }
}
