//! A browser for the tests: it keeps cookies and calls services of this process.

use std::collections::BTreeMap;

use actix_http::Request;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::http::{StatusCode, header::HeaderMap};
use actix_web::test::TestRequest;
use actix_web::{Error, HttpResponse};

/// A user's browser.
#[derive(Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
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
        self.cookies.get(name).map(String::as_str)
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub async fn get<S, B>(&mut self, service: &S, path: &str) -> Page
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody + 'static,
    {
        self.send(service, TestRequest::get().uri(path)).await
    }

    /// Sends a form.
    pub async fn post<S, B>(&mut self, service: &S, path: &str, form: &[(&str, &str)]) -> Page
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody + 'static,
    {
        self.send(service, TestRequest::post().uri(path).set_form(form)).await
    }

    async fn send<S, B>(&mut self, service: &S, mut request: TestRequest) -> Page
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody + 'static,
    {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.insert_header((COOKIE, cookies.join("; ")));
        }
        // the server turns an error of the outermost middleware into its response, too
        match service.call(request.to_request()).await {
            Ok(response) => self.receive(response.into_parts().1.map_into_boxed_body()).await,
            Err(error) => self.receive(HttpResponse::from_error(error)).await,
        }
    }

    async fn receive(&mut self, response: HttpResponse<BoxBody>) -> Page {
        self.keep_cookies(response.headers());
        let location = response
            .headers()
            .get(LOCATION)
            .map(|location| location.to_str().unwrap().to_owned());
        let status = response.status();
        let body = to_bytes(response.into_body()).await.unwrap();
        Page {
            status,
            location,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let cookie = Cookie::parse(header.to_str().unwrap()).unwrap();
            match cookie.max_age() {
                Some(age) if age.is_zero() => self.cookies.remove(cookie.name()),
                _ => self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned()),
            };
        }
    }
}
