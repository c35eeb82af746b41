//! The one runtime of the process. Its thread starts at the first call.

use std::future::pending;
use std::sync::OnceLock;
use std::{io, thread};

use napi::bindgen_prelude::{Env, Error, Object, Result, ToNapiValue};
use tokio::runtime::{Builder, Handle};

/// Returns the runtime, which all workers of the process share. It never ends, because a worker may end at any time.
pub fn runtime() -> Result<&'static Handle> {
    static RUNTIME: OnceLock<std::result::Result<Handle, String>> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("shared-session".to_owned())
            .spawn(move || runtime.block_on(pending::<()>()))?;
        Ok(handle)
    };
    let started = RUNTIME.get_or_init(|| start().map_err(|error: io::Error| error.to_string()));
    started.as_ref().map_err(Error::from_reason)
}

/// Runs work to its end on the runtime, and returns the promise of its output. The work owns all that it uses.
pub fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    let runtime = runtime()?;
    let work = runtime.spawn(work);
    runtime.spawn(async move {
        match work.await {
            Ok(output) => deferred.resolve(move |_| Ok(output)),
            Err(error) => deferred.reject(Error::from_reason(error.to_string())),
        }
    });
    Ok(promise)
}
