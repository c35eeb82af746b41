//! Flash messages in the session: actix-web-flash-messages with a store of one's own, since the one that it brings needs
//! actix-session 0.10.

use actix_session::SessionExt;
use actix_web::dev::ResponseHead;
use actix_web::test::init_service;
use actix_web::{App, HttpRequest, HttpResponse, web};
use actix_web_flash_messages::storage::{FlashMessageStore, LoadError, StoreError};
use actix_web_flash_messages::{FlashMessage, FlashMessagesFramework, IncomingFlashMessages};

use super::start;
use crate::support::Browser;

const FIELD: &str = "messages";

/// Keeps messages in the session until the next request.
struct InSession;

impl FlashMessageStore for InSession {
    fn load(&self, request: &HttpRequest) -> Result<Vec<FlashMessage>, LoadError> {
        let messages = request.get_session().get(FIELD);
        let messages = messages.map_err(|error| LoadError::GenericError(error.into()))?;
        Ok(messages.unwrap_or_default())
    }

    fn store(&self, messages: &[FlashMessage], request: HttpRequest, _: &mut ResponseHead) -> Result<(), StoreError> {
        let session = request.get_session();
        session.remove(FIELD);
        if messages.is_empty() {
            return Ok(());
        }
        session
            .insert(FIELD, messages)
            .map_err(|error| StoreError::GenericError(error.into()))
    }
}

async fn send(texts: web::Path<String>) -> HttpResponse {
    for text in texts.split(',') {
        FlashMessage::info(text).send();
    }
    HttpResponse::SeeOther().insert_header(("Location", "/")).finish()
}

async fn show(messages: IncomingFlashMessages) -> String {
    let messages: Vec<String> = messages
        .iter()
        .map(|message| format!("{}: {}", message.level(), message.content()))
        .collect();
    messages.join("\n")
}

#[actix_web::test]
async fn messages_are_shown_once() {
    let (_redis, sessions) = start().await;
    let app = App::new()
        .route("/", web::get().to(show))
        .route("/send/{texts}", web::post().to(send))
        .wrap(FlashMessagesFramework::builder(InSession).build())
        .wrap(sessions.middleware());
    let (service, mut browser) = (init_service(app).await, Browser::default());
    assert_eq!(browser.get(&service, "/").await.body, "");
    let sent = browser.post(&service, "/send/one,two", &[]).await;
    assert_eq!(sent.location.as_deref(), Some("/"));
    assert_eq!(browser.get(&service, "/").await.body, "info: one\ninfo: two");
    assert_eq!(browser.get(&service, "/").await.body, "");
    assert_eq!(Browser::default().get(&service, "/").await.body, "");
}
