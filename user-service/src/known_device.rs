//! Recognizes a browser in which a user has signed in before, by a cookie that browsers send to the sign-in alone. The cookie
//! names no user and signs nobody in. It only separates the count of the browser's attempts from that of strangers.

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
