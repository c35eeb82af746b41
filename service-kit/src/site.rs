//! What the pages of this site have in common. The addresses of all services are in [`navigation`], and the user id of
//! the lecture is in [`lecture`].

mod assets;
pub mod card;
mod done;
mod error_page;
pub mod flash;
mod form;
mod layout;
pub mod lecture;
pub mod navigation;
mod note;
mod page;
pub mod program;
mod sent_form;
mod session_panel;
pub mod session_text;
pub mod text;
pub mod time;
mod user;

use actix_web::web::{Data, ServiceConfig};

pub use self::done::Done;
pub(crate) use self::error_page::error_page;
pub use self::form::FormField;
pub use self::layout::Layout;
pub use self::page::{Page, see_other};
pub(crate) use self::sent_form::keep_sent_form;
pub use self::session_panel::{PanelField, SessionPanel};
pub use self::user::User;
pub(crate) use self::user::{check_settings, forward_auth};

/// What the process serves of the site, as data of the application.
struct Site {
    prefixes: &'static [&'static str],
    /// Whether the process is the whole site.
    is_whole: bool,
}

/// Adds what every service of the site has under each of its prefixes.
pub(crate) fn configure(config: &mut ServiceConfig, prefixes: &'static [&'static str], is_whole: bool) {
    config.app_data(Data::new(Site { prefixes, is_whole }));
    assets::configure(config, prefixes);
}
