//! A browser for the tests: it keeps cookies and calls services of this process.

use actix_http::Request;
use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::test::TestRequest;
use actix_web::{Error, HttpResponse};

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

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.set(name, value);
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
        if let Some(cookies) = self.cookies.header() {
            request = request.insert_header((COOKIE, cookies));
        }
        // the server turns an error of the outermost middleware into its response, too
        match service.call(request.to_request()).await {
            Ok(response) => self.receive(response.into_parts().1.map_into_boxed_body()).await,
            Err(error) => self.receive(HttpResponse::from_error(error)).await,
        }
    }

    async fn receive(&mut self, response: HttpResponse<BoxBody>) -> Page {
        for header in response.headers().get_all(SET_COOKIE) {
            self.cookies.receive(header.to_str().unwrap());
        }
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
}
