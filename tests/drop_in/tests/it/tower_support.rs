//! A browser for applications of axum: it keeps cookies and calls routers of this process.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, StatusCode};
use tower::ServiceExt;

use crate::cookies::Cookies;

/// A user's browser.
#[derive(Clone, Default)]
pub struct Browser {
    cookies: Cookies,
}

/// What a browser received.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: String,
}

impl Browser {
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name)
    }

    pub async fn get(&mut self, app: &Router, path: &str) -> Page {
        self.send(app, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form.
    pub async fn post(&mut self, app: &Router, path: &str, form: &'static str) -> Page {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(app, request.body(Body::from(form)).unwrap()).await
    }

    async fn send(&mut self, app: &Router, mut request: Request<Body>) -> Page {
        if let Some(cookies) = self.cookies.header() {
            request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
        }
        let response = app.clone().oneshot(request).await.unwrap();
        for header in response.headers().get_all(SET_COOKIE) {
            self.cookies.receive(header.to_str().unwrap());
        }
        let location = response.headers().get(LOCATION);
        let location = location.map(|location| location.to_str().unwrap().to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body(), 100_000).await.unwrap();
        Page {
            status,
            location,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}
