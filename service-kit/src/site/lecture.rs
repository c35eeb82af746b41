//! The lecture: this site began with a lecture on sessions that PHP pages share in Redis. One page of it sets a session
//! without asking for a password, always for the same user, and another page shows it. Two pages here do the same.

/// The id of the lecture's user. Nobody can register it, and a session with it belongs to no user.
pub const USER_ID: &str = "kky";
