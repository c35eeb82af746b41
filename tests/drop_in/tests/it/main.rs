//! All tests of this workspace: one program, because each further one takes long to link.

mod cookies;
mod differences;
mod migration;
mod support;
mod tower_support;
mod with_actix_session;
mod with_shared_session;
mod with_shared_session_layer;
mod with_tower_sessions;
