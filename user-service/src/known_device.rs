//! Recognizes a browser in which a user has signed in before, by a cookie of its own that only the sign-in gets. The cookie
//! names no user and signs nobody in: it only makes the browser's attempts count apart from those of strangers.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service_kit::Failure;
use service_kit::site::navigation::LOGIN;
use sha2::{Digest, Sha256};

const NAME: &str = "device";
const LENGTH: usize = 22;

/// What the cookie holds: 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceToken(String);

impl DeviceToken {
    /// Returns a new token.
    pub fn generate() -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Failure::Internal(format!("no random bytes: {error}")))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the token that a request came with.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let cookie = request.cookie(NAME)?;
        let text = cookie.value();
        let is_token = text.len() == LENGTH
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_token.then(|| Self(text.to_owned()))
    }

    /// Returns what the store holds instead of the token.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.0))
    }

    /// Returns the cookie that makes the browser send the token, to the sign-in alone.
    pub fn cookie(&self, secure: bool) -> Cookie<'static> {
        Cookie::build(NAME, self.0.clone())
            .path(LOGIN)
            .max_age(Duration::days(90))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(secure)
            .finish()
    }
}

/// Shows no value, because logs must not contain tokens.
impl fmt::Debug for DeviceToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeviceToken(..)")
    }
}
