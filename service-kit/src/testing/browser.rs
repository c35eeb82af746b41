//! A user's browser, and the pages that it gets. If a request fails or a page is not as expected, they panic, as tests need it.

#![allow(clippy::unwrap_used)]

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Url};

use super::{Running, browser};

/// A browser with its own cookies, and the server that it visits. It follows no redirect. Clones share the cookies.
#[derive(Clone)]
pub struct Browser {
    base: String,
    client: Client,
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub html: String,
}

impl Browser {
    /// Returns a new browser that visits this server.
    pub fn new(server: &Running) -> Self {
        Self {
            base: server.url(""),
            client: browser(),
        }
    }

    /// Returns the same browser, with the same cookies, at another server.
    pub fn at(&self, server: &Running) -> Self {
        Self {
            base: server.url(""),
            client: self.client.clone(),
        }
    }

    /// Returns a request of this browser.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method.parse().unwrap(), url)
    }

    /// Returns the request that a browser sends if the user submits a form of this site.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let encoded = Url::parse_with_params("http://form/", fields).unwrap();
        self.request("POST", path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded.query().unwrap_or_default().to_owned())
    }

    /// Gets a page.
    pub async fn get(&self, path: &str) -> Response {
        send(self.request("GET", path)).await
    }

    /// Submits a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        send(self.form(path, fields)).await
    }
}

/// Sends a request, and reads its response.
pub async fn send(request: RequestBuilder) -> Response {
    let response = request.send().await.unwrap();
    Response {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        html: response.text().await.unwrap(),
    }
}

impl Response {
    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the address of a redirect.
    pub fn redirects_to(&self) -> Option<&str> {
        assert_eq!(self.status == 303, self.headers.contains_key("location"));
        self.header("location")
    }

    /// Returns the new value of the session cookie, empty if the cookie is removed.
    pub fn cookie(&self) -> Option<&str> {
        let mut cookies = self.headers.get_all("set-cookie").iter();
        let cookie = cookies.find_map(|cookie| cookie.to_str().unwrap().strip_prefix("sid="));
        cookie?.split(';').next()
    }

    /// Checks that the page contains this text.
    #[track_caller]
    pub fn shows(&self, part: &str) {
        assert!(self.html.contains(part), "{part:?} is not in {}", self.html);
    }

    /// Checks that the page does not contain this text.
    #[track_caller]
    pub fn hides(&self, part: &str) {
        assert!(!self.html.contains(part), "{part:?} is in {}", self.html);
    }

    /// Returns the error beside a form field. Checks that a screen reader reads it with the field.
    pub fn error(&self, field: &str) -> Option<&str> {
        let error = self.between(&format!("<span class=\"error\" id=\"{field}-error\">"), "</span>");
        let input = self.input(field);
        let is_marked = input.contains("aria-invalid=\"true\" autofocus");
        assert_eq!(error.is_some(), is_marked, "{input}");
        assert_eq!(error.is_some(), input.contains(&format!("{field}-error")), "{input}");
        error
    }

    /// Returns the value of a form field, as escaped in the page.
    pub fn value(&self, field: &str) -> &str {
        let (_, value) = self.input(field).split_once(" value=\"").unwrap();
        value.split('"').next().unwrap()
    }

    fn input(&self, field: &str) -> &str {
        self.shows(&format!("<label for=\"{field}\">"));
        self.between(&format!("<input id=\"{field}\""), ">").unwrap()
    }

    /// Returns the message that an earlier request left for this page.
    pub fn message(&self) -> Option<&str> {
        self.between("<p class=\"message\" role=\"status\">", "</p>")
    }

    /// Returns the title of the page.
    pub fn title(&self) -> &str {
        self.between("<title>", "</title>").unwrap()
    }

    /// Returns the first text between these two.
    pub fn between(&self, start: &str, end: &str) -> Option<&str> {
        self.all_between(start, end).next()
    }

    /// Returns each text between these two.
    pub fn all_between(&self, start: &str, end: &str) -> impl Iterator<Item = &str> {
        self.html
            .split(start)
            .skip(1)
            .filter_map(move |rest| rest.split_once(end).map(|(found, _)| found))
    }
}
