//! The card of a program: a picture of the session as the program has just read it. The first page shows the cards of all
//! programs, and each program draws its own.

use std::process;
use std::sync::LazyLock;
use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use shared_session::Session;

use super::navigation::SESSION;
use super::program::{PROGRAMS, Program};
use super::{note, see_other, text};
use crate::failure::Failure;
use crate::server::resource;
use crate::server::security_headers::PICTURE_POLICY;

/// The most fields that a card shows.
const MAX_FIELDS: usize = 12;

/// The room for a name and for a value, in columns of a letter.
const NAME_COLUMNS: usize = 14;
const VALUE_COLUMNS: usize = 16;

#[derive(Template)]
#[template(path = "session.svg")]
struct Card {
    program: &'static Program,
    process: &'static str,
    time: String,
    rows: Vec<Row>,
    /// The number of fields that are not shown.
    more: usize,
}

/// A field of the session.
struct Row {
    y: usize,
    /// The id of the program that wrote it, if it is a note.
    writer: &'static str,
    name: String,
    value: String,
}

/// Adds the card of a program, and the address that its notes are sent to. Call it in the scope of the program's prefix.
pub fn routes(program: &'static Program) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .service(resource("/session.svg", move |session| show(program, session)))
            .service(
                resource("/note", async || see_other(SESSION))
                    .route(web::post().to(move |session, form| note::submit(program, session, form))),
            );
    }
}

/// Responds with the card. It reads the session as any other request does.
async fn show(program: &'static Program, session: Session) -> Result<HttpResponse, Failure> {
    let picture = Card::new(program, &session).render();
    let picture = picture.map_err(|error| Failure::Internal(format!("failed to draw the card: {error}")))?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, PICTURE_POLICY))
        .body(picture))
}

impl Card {
    fn new(program: &'static Program, session: &Session) -> Self {
        let entries = session.entries();
        let fields = entries.iter().map(|(name, json)| (writer(name), name, json));
        let mut fields: Vec<_> = fields.collect();
        // notes come first
        fields.sort_unstable_by_key(|(writer, name, _)| (writer.is_empty(), name.as_str()));
        let shown = if fields.len() > MAX_FIELDS {
            MAX_FIELDS - 1
        } else {
            fields.len()
        };
        let rows = fields
            .iter()
            .take(shown)
            .enumerate()
            .map(|(index, (writer, name, json))| Row {
                y: 120 + 24 * index,
                writer,
                name: cut(name, NAME_COLUMNS),
                value: cut(json, VALUE_COLUMNS),
            });
        Self {
            program,
            process: &PROCESS,
            time: time(),
            rows: rows.collect(),
            more: fields.len() - shown,
        }
    }

    fn height(&self) -> usize {
        let lines = self.rows.len().max(1) + usize::from(self.more > 0);
        140 + 24 * lines
    }
}

/// The id of the process, and the name of its machine or container, so that each program looks different.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match cut(host.trim(), 16) {
        host if host.is_empty() => format!("process {}", process::id()),
        host => format!("process {} on {host}", process::id()),
    }
});

/// Returns the time of day in UTC, such as `16:46:40`.
fn time() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.trim_end_matches('Z')
        .split_once('T')
        .map_or_else(String::new, |(_, time)| time.to_owned())
}

/// Returns the id of the program that writes notes with this name, or an empty text if the field is not a note.
fn writer(name: &str) -> &'static str {
    let prefix = name.split_once('.').map(|(prefix, _)| prefix);
    let writer = PROGRAMS.iter().find(|program| prefix == Some(program.id));
    writer.map_or("", |program| program.id)
}

/// Returns the start of a text that fits into this many columns. Invisible characters, and those that XML forbids, are replaced.
fn cut(text: &str, columns: usize) -> String {
    let (mut shown, mut width) = (String::new(), 0);
    for character in text.chars() {
        // those of Korean, Chinese and Japanese, and emoji, are twice as wide
        width += if character >= '\u{1100}' { 2 } else { 1 };
        if width > columns {
            shown.pop();
            shown.push('…');
            break;
        }
        let is_drawn = !text::is_hidden(character) && !matches!(character, '\u{fffe}' | '\u{ffff}');
        shown.push(if is_drawn { character } else { '\u{fffd}' });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{cut, writer};

    #[test]
    fn long_text_is_cut_to_its_columns() {
        assert_eq!(cut("\"green\"", 7), "\"green\"");
        assert_eq!(cut("\"greens\"", 7), "\"green…");
        assert_eq!(cut("홍길동", 6), "홍길동");
        assert_eq!(cut("홍길동", 5), "홍…");
        assert_eq!(cut("", 5), "");
    }

    #[test]
    fn character_that_would_break_the_picture_is_replaced() {
        assert_eq!(cut("a\u{1}b\u{202e}c\u{ffff}", 10), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn only_notes_have_a_writer() {
        for (name, expected) in [
            ("user.color", "user"),
            ("node.x", "node"),
            ("username", ""),
            ("user", ""),
            ("x.user", ""),
        ] {
            assert_eq!(writer(name), expected, "{name}");
        }
    }

    /// The cards look the same in every language.
    #[test]
    fn programs_in_other_languages_have_the_same_style() {
        let style = |source: &'static str| {
            let (_, rest) = source.split_once("<style>")?;
            rest.split_once("</style>").map(|(style, _)| style)
        };
        let own = style(include_str!("../../templates/session.svg"));
        assert!(own.is_some());
        for source in [
            include_str!("../../../python/templates/session.svg"),
            include_str!("../../../node/card.js"),
            include_str!("../../../php/card.php"),
            include_str!("../../../nginx/pages/session.svg"),
        ] {
            assert_eq!(style(source), own);
        }
    }
}
