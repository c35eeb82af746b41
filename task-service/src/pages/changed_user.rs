//! The page in place of a change whose form was made for another user than the one who is signed in now, for example because
//! the user signed out in another tab. It shows what was typed.

use actix_web::http::StatusCode;
use actix_web::{Either, HttpRequest, Responder};
use askama::Template;
use service_kit::site::{FormField, Layout, Page};
use shared_session::Session;

use super::{PREFIX, PageResult};
use crate::list::List;

#[derive(Template)]
#[template(path = "changed_user.html")]
pub(super) struct ChangedUserPage<'a> {
    layout: Layout,
    /// The user of the list that a new form is made for.
    user: &'a str,
    /// What the form would have done, such as `rename`.
    action: &'static str,
    is_new: bool,
    typed: FormField,
    /// The address that the sign-in leads back to.
    back: &'a str,
}

impl<'a> ChangedUserPage<'a> {
    pub fn new(session: &Session, list: &'a List, action: &'static str, typed: Option<&str>, back: &'a str) -> Self {
        Self {
            layout: Layout::new(session, PREFIX, ""),
            user: list.user(),
            action,
            is_new: action == "add",
            typed: FormField::new(typed.unwrap_or_default()),
            back,
        }
    }

    pub fn respond(self, request: &HttpRequest) -> PageResult {
        let page = Page(self).customize().with_status(StatusCode::CONFLICT);
        Ok(Either::Left(page.respond_to(request).map_into_boxed_body()))
    }
}
