//! [`Remember`]: whether a user stays signed in.

/// Whether a user stays signed in, as a box on a sign-in page asks.
///
/// A *remembered* session lasts longer than an ordinary one: `SESSION_REMEMBER_TTL` without a request and
/// `SESSION_REMEMBER_LIFETIME` in all, by default 30 and 90 days. Its cookie outlives the browser: it has a `Max-Age`. Each
/// sign-in decides anew. In PHP's formats no session is remembered.
///
/// # Examples
///
/// ```
/// use shared_session::Remember;
///
/// let is_checked = true; // from a form
/// assert_eq!(Remember::from(is_checked), Remember::Yes);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remember {
    /// The session is an ordinary one.
    #[default]
    No,
    /// The session is remembered.
    Yes,
}

impl From<bool> for Remember {
    fn from(is_checked: bool) -> Self {
        if is_checked { Self::Yes } else { Self::No }
    }
}
