//! All tests of this workspace: one program, because each further one takes long to link.

mod actix_record;
mod migration;
mod support;
mod with_actix_session;
mod with_shared_session;
