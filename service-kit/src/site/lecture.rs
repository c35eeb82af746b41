//! The lecture: this site began with a lecture on sessions that PHP pages share in Redis. One page of it sets a session
//! without asking for a password, always for the same user, and another page shows it. Two pages here do the same.

/// The id of the lecture's user. Nobody can register it. A session with it has no account, so nobody is signed in.
pub const USER_ID: &str = "kky";
