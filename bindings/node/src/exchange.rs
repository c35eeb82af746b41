//! [`Exchange`]: a request and its session. [`Outcome`]: what the response says about it. [`Waiting`]: who waits for its end.

use std::time::{SystemTime, UNIX_EPOCH};

use napi::Status;
use napi::bindgen_prelude::{Either, Env, Error, Object, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use shared_session::http::{self, Wish};
use shared_session::{CurrentSession, Remember};
use tokio::task::AbortHandle;

use crate::engine::{latin1, reason};
use crate::failure::Failure;
use crate::runtime::{promise, runtime};

/// A request and its session, until it is finished.
#[napi]
pub struct Exchange {
    exchange: Option<http::Exchange>,
    pub(crate) current: CurrentSession,
}

impl From<http::Exchange> for Exchange {
    fn from(exchange: http::Exchange) -> Self {
        let current = exchange.current();
        Self {
            exchange: Some(exchange),
            current,
        }
    }
}

#[napi]
impl Exchange {
    /// Returns the names and values of the fields in turns, the values as JSON text.
    #[napi]
    pub fn fields(&self) -> Vec<&str> {
        let exchange = self.exchange.iter();
        exchange
            .flat_map(http::Exchange::fields)
            .flat_map(|(name, json)| [name, json])
            .collect()
    }

    /// Returns the id of the user who is signed in.
    #[napi(getter)]
    pub fn user(&self) -> Option<String> {
        Some(self.exchange.as_ref()?.user()?.into_owned())
    }

    /// Returns whether the request has a session cookie, even an invalid one.
    #[napi(getter)]
    pub fn has_cookie(&self) -> bool {
        self.exchange.as_ref().is_some_and(http::Exchange::has_cookie)
    }

    /// Returns the session's public name.
    #[napi(getter)]
    pub fn handle(&self) -> Option<String> {
        self.current.handle().map(|handle| handle.to_string())
    }

    /// Returns whether the user who is signed in stays signed in.
    #[napi(getter)]
    pub fn remembered(&self) -> bool {
        self.current.remembered()
    }

    /// Checks that `user` names a user whom the request can sign in. Returns the name of the field to set.
    #[napi]
    pub fn check_user(&self, user: Option<Either<String, f64>>) -> Result<String> {
        let announced = match user {
            Some(Either::A(text)) => self.current.announce_sign_in(&text, Remember::No),
            // a number that does not fit becomes the largest one, which is refused
            Some(Either::B(number)) if number.fract() == 0.0 => {
                self.current.announce_sign_in(&(number as i64), Remember::No)
            }
            Some(Either::B(_)) | None => self.current.announce_sign_in(&None::<i64>, Remember::No),
        };
        announced.map(str::to_owned).map_err(reason)
    }

    /// Returns when the session ends if it is not used again, in milliseconds since 1970.
    #[napi(getter)]
    pub fn idle_end(&self) -> Option<f64> {
        self.current.idle_end().map(milliseconds)
    }

    /// Calls `wake` when the session that the request came with has ended.
    #[napi]
    pub fn ended(&self, wake: Wake) -> Result<Waiting> {
        let ended = self.current.ended();
        let task = runtime()?.spawn(async move {
            ended.await;
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
        Ok(Waiting(task.abort_handle()))
    }

    /// Stores what the handler changed: each name's new JSON text, or none if the field was removed. `remember` says whether a user
    /// whom this signs in stays signed in. Returns the promise of an [`Outcome`] or a [`Failure`]. Can be called once.
    #[napi]
    pub fn finish<'env>(
        &mut self,
        env: &'env Env,
        wish: String,
        names: Vec<String>,
        texts: Vec<Option<String>>,
        user_agent: Option<String>,
        remember: bool,
    ) -> Result<Object<'env>> {
        let wish = match &*wish {
            "keep" => Wish::Keep,
            "renew" => Wish::Renew,
            "destroy" => Wish::Destroy,
            _ => return Err(Error::from_reason("unknown wish")),
        };
        let finished = || Error::from_reason("the session of this request was stored already");
        let exchange = self.exchange.take().ok_or_else(finished)?;
        if remember {
            self.current.remember(Remember::Yes).map_err(reason)?;
        }
        let change = exchange.change_of(wish, names.into_iter().zip(texts));
        let user_agent = user_agent.as_deref().map(latin1);
        promise(env, async move {
            match exchange.finish(wish, change, user_agent.as_deref()).await {
                Ok(outcome) => Either::A(Outcome(Some(outcome))),
                Err(failure) => Either::B(Failure::from(failure)),
            }
        })
    }
}

/// A JavaScript function without arguments. It does not keep its thread alive.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Somebody who waits for the end of a session. Dropping it stops the waiting, and so does the end of its JavaScript thread.
#[napi]
pub struct Waiting(AbortHandle);

#[napi]
impl Waiting {
    /// Stops the waiting.
    #[napi]
    pub fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the response to a finished request says about its session.
#[napi]
pub struct Outcome(Option<http::Outcome>);

#[napi]
impl Outcome {
    /// Returns the headers to add, a name and a value each, for a response that is sent at once and has these headers already.
    #[napi]
    pub fn headers(&mut self, vary: Option<String>, cache_control: Option<String>) -> Vec<Vec<String>> {
        let Some(outcome) = self.0.take() else {
            return Vec::new();
        };
        let present = |name| match name {
            "vary" => vary.as_deref().map(str::as_bytes).into_iter(),
            "cache-control" => cache_control.as_deref().map(str::as_bytes).into_iter(),
            _ => None.into_iter(),
        };
        let headers = outcome.headers(present).into_iter().flatten();
        headers
            .map(|(name, value)| vec![name.to_owned(), value.into_owned()])
            .collect()
    }

    /// Undoes a renewal, because the client is gone.
    #[napi]
    pub fn discard(&mut self) {
        self.0 = None;
    }
}

pub(crate) fn milliseconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}
