//! What stands around every page's own part: where it is, who is looking at it, and what they are to be told.

use shared_session::Session;

use crate::flash;
use crate::visitor::Visitor;

/// What the layout shows. A template that extends `app.html` or `layout.html` has it as its field `frame`.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The service's prefix, under which the files that pages link lie.
    pub prefix: &'static str,
    /// The page's own address, which the navigation marks.
    pub here: &'static str,
    /// Who is signed in.
    pub visitor: Option<Visitor>,
    /// What another page, of whichever service, left to be told.
    pub message: Option<String>,
}

impl Frame {
    /// The frame of a page for the session's visitor. Takes the message that is waiting for them.
    #[must_use]
    pub fn of(session: &Session, prefix: &'static str, here: &'static str) -> Self {
        Self {
            prefix,
            here,
            visitor: Visitor::of(session),
            message: flash::take(session),
        }
    }

    /// The frame of a page that knows nobody.
    #[must_use]
    pub fn bare(prefix: &'static str) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }
}
