//! Recognizes a browser in which a user has signed in before, by a cookie of its own that only the sign-in gets. The cookie
//! names no user and signs nobody in: it only makes the browser's attempts count apart from those of strangers.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use service_kit::site::navigation::LOGIN;

use crate::token::Token;

const NAME: &str = "device";

/// Returns the token that a request came with.
pub fn token_of(request: &HttpRequest) -> Option<Token> {
    Token::parse(request.cookie(NAME)?.value())
}

/// Returns the cookie that makes the browser send the token, to the sign-in alone.
pub fn cookie(token: &Token, secure: bool) -> Cookie<'static> {
    Cookie::build(NAME, token.as_str().to_owned())
        .path(LOGIN)
        .max_age(Duration::days(90))
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .finish()
}
