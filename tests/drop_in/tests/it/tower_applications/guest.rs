//! A typed part of the session, as tower-sessions' example `strongly-typed`: an extractor that keeps a guest's page views.

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::Session;

use super::Sessions;
use crate::tower_support::Browser;

#[derive(Clone, Deserialize, Serialize)]
struct GuestData {
    pageviews: usize,
    first_seen: OffsetDateTime,
    last_seen: OffsetDateTime,
}

impl Default for GuestData {
    fn default() -> Self {
        Self {
            pageviews: 0,
            first_seen: OffsetDateTime::now_utc(),
            last_seen: OffsetDateTime::now_utc(),
        }
    }
}

struct Guest {
    session: Session,
    guest_data: GuestData,
}

impl Guest {
    const GUEST_DATA_KEY: &str = "guest.data";

    async fn mark_pageview(&mut self) {
        self.guest_data.pageviews += 1;
        Self::update_session(&self.session, &self.guest_data).await;
    }

    async fn update_session(session: &Session, guest_data: &GuestData) {
        session.insert(Self::GUEST_DATA_KEY, guest_data.clone()).await.unwrap();
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let session = Session::from_request_parts(parts, state).await?;
        let guest_data: Option<GuestData> = session.get(Self::GUEST_DATA_KEY).await.unwrap();
        let mut guest_data = guest_data.unwrap_or_default();
        guest_data.last_seen = OffsetDateTime::now_utc();
        Self::update_session(&session, &guest_data).await;
        Ok(Self { session, guest_data })
    }
}

async fn handler(mut guest: Guest) -> String {
    guest.mark_pageview().await;
    let GuestData {
        pageviews,
        first_seen,
        last_seen,
    } = guest.guest_data;
    assert!(first_seen <= last_seen);
    format!("{pageviews} since {}", first_seen.unix_timestamp_nanos())
}

#[tokio::test]
async fn guest_is_remembered() {
    let app = Sessions::open().provide(Router::new().route("/", get(handler)));
    let mut browser = Browser::default();
    let first = browser.get(&app, "/").await.body;
    let since = first.strip_prefix('1').unwrap();
    for pageviews in 2..5 {
        assert_eq!(browser.get(&app, "/").await.body, format!("{pageviews}{since}"));
    }
}
