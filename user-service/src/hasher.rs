//! Hashes passwords on blocking threads, a limited number at once.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use service_kit::Failure;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::password;

/// How long a request waits until its password can be hashed.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The hash that is verified if a user ID is unknown, so that the response takes as long as for a known one.
const UNKNOWN_USER_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$OVNQTGx4ck5ybGo5Sk40eQ$4CG+Ih4nhX/EdEIgnw2uKjR8QUOeAZHhSIysAGj+Lgs";

/// A slow hash function for passwords.
pub trait HashFunction: Send + Sync {
    /// Returns the password's hash, with a new salt.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no randomness for the salt.
    fn hash(&self, password: &SecretString) -> Result<String, Failure>;

    /// Returns whether the hash was made from this password.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unreadable`] if the hash is invalid.
    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure>;

    /// Returns whether the hash has the cost of new hashes.
    fn is_current(&self, hash: &str) -> bool;
}

/// Argon2id (RFC 9106) with 19 MiB of memory and two passes, as the OWASP Password Storage Cheat Sheet recommends.
#[derive(Clone, Copy, Debug)]
pub struct Argon2id;

const PARAMS: Params = match Params::new(19 * 1024, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("invalid Argon2 parameters"),
};

impl Argon2id {
    fn function() -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
    }
}

impl HashFunction for Argon2id {
    fn hash(&self, password: &SecretString) -> Result<String, Failure> {
        let hash: PasswordHash = Self::function()
            .hash_password(password.expose_secret().as_bytes())
            .map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(hash.to_string())
    }

    fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, Failure> {
        // the parameters come from the hash, so that PARAMS can change
        match Self::function().verify_password(password.expose_secret().as_bytes(), hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(_) => Err(Failure::Unreadable("password hash")),
        }
    }

    fn is_current(&self, hash: &str) -> bool {
        PasswordHash::new(hash).is_ok_and(|hash| {
            hash.algorithm == Algorithm::Argon2id.ident()
                && hash.version == Some(Version::V0x13.into())
                && Params::try_from(&hash).is_ok_and(|params| {
                    let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
                    cost(&params) == cost(&PARAMS)
                })
        })
    }
}

/// The error of a password that was not hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many passwords are being hashed. This one was not.
    #[error("too many passwords are being hashed")]
    Busy,
    /// Any other failure.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// What a password waits for. Each queue has threads of its own, so that registrations cannot delay sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// A password that is verified.
    SignIn,
    /// A password that is new.
    NewPassword,
}

/// Hashes and verifies passwords, by default one at once per processor: more would take more memory and save no time. Half as
/// many new passwords are hashed beside them.
#[derive(Clone)]
pub struct Hasher {
    function: Arc<dyn HashFunction>,
    sign_ins: Arc<Semaphore>,
    new_passwords: Arc<Semaphore>,
    max_wait: Duration,
}

impl Default for Hasher {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self::new(Arc::new(Argon2id), processors, MAX_WAIT)
    }
}

impl Hasher {
    /// Creates a hasher that runs `function` at most `concurrency` times at once, and for new passwords half as often. Each
    /// call waits at most `max_wait` until it can begin.
    #[must_use]
    pub fn new(function: Arc<dyn HashFunction>, concurrency: usize, max_wait: Duration) -> Self {
        Self {
            function,
            sign_ins: Arc::new(Semaphore::new(concurrency)),
            new_passwords: Arc::new(Semaphore::new(concurrency.div_ceil(2))),
            max_wait,
        }
    }

    /// Returns the hash of a user's input.
    ///
    /// # Errors
    ///
    /// Returns [`HashError::Busy`] if the wait is too long, and [`HashError::Failure`] if the function fails.
    pub async fn hash(&self, input: &SecretString, queue: Queue) -> Result<String, HashError> {
        let password = password::normalize(input);
        self.run(queue, move |function| function.hash(&password)).await
    }

    /// Returns whether a new password is too easy to guess for the user with this ID and name.
    ///
    /// # Errors
    ///
    /// Returns [`HashError::Busy`] if the wait is too long.
    pub async fn is_common(&self, input: &SecretString, id: &str, name: &str) -> Result<bool, HashError> {
        let (input, id, name) = (input.clone(), id.to_owned(), name.to_owned());
        let is_common = move |_: &dyn HashFunction| Ok(password::is_common(&input, &id, &name));
        self.run(Queue::NewPassword, is_common).await
    }

    /// Returns whether the hash was made from this input. Without a hash it returns `false` after the same work.
    ///
    /// # Errors
    ///
    /// Returns [`HashError::Busy`] if the wait is too long, and [`HashError::Failure`] if the hash is invalid.
    pub async fn verify(&self, input: &SecretString, hash: Option<&str>) -> Result<bool, HashError> {
        let password = password::normalize(input);
        let (is_known, hash) = (hash.is_some(), hash.unwrap_or(UNKNOWN_USER_HASH).to_owned());
        let matches = self.run(Queue::SignIn, move |function| function.verify(&password, &hash));
        let matches = matches.await?;
        Ok(matches && is_known)
    }

    /// Returns whether the hash has the cost of new hashes. If not, it should be replaced.
    #[must_use]
    pub fn is_current(&self, hash: &str) -> bool {
        self.function.is_current(hash)
    }

    async fn run<T: Send + 'static>(
        &self,
        queue: Queue,
        work: impl FnOnce(&dyn HashFunction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, HashError> {
        let permits = match queue {
            Queue::SignIn => &self.sign_ins,
            Queue::NewPassword => &self.new_passwords,
        };
        let permit = timeout(self.max_wait, permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| HashError::Busy)?;
        let function = self.function.clone();
        let result = spawn_blocking(move || {
            // held until the work is done, because it goes on if the request is cancelled
            let _permit = permit;
            work(&*function)
        });
        let result = result
            .await
            .map_err(|_| Failure::Internal("failed to hash a password".to_owned()))?;
        Ok(result?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use secrecy::{ExposeSecret, SecretString};
    use service_kit::Failure;

    use super::{Argon2id, HashError, HashFunction, Hasher, Queue, UNKNOWN_USER_HASH};

    fn secret(text: &str) -> SecretString {
        text.into()
    }

    #[actix_web::test]
    async fn hash_is_salted_and_matches_only_its_password() {
        let hasher = Hasher::default();
        let hash = hasher
            .hash(&secret("correct horse e\u{301}"), Queue::NewPassword)
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.is_current(&hash));
        let password = secret("correct horse \u{e9}");
        assert!(hasher.verify(&password, Some(&hash)).await.unwrap());
        for other in ["correct horse e", "correct horse \u{e9} ", ""] {
            assert!(!hasher.verify(&secret(other), Some(&hash)).await.unwrap());
        }
        assert_ne!(hash, hasher.hash(&password, Queue::SignIn).await.unwrap());
    }

    #[test]
    fn hash_for_unknown_users_costs_as_much_as_a_new_hash() {
        assert!(Argon2id.is_current(UNKNOWN_USER_HASH));
        let new = Argon2id.hash(&secret("x")).unwrap();
        let lengths = |hash: &str| hash.split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(&new), lengths(UNKNOWN_USER_HASH));
        assert!(!Argon2id.verify(&secret("x"), UNKNOWN_USER_HASH).unwrap());
    }

    #[actix_web::test]
    async fn hash_of_another_cost_is_verified_and_is_not_current() {
        // made by PHP's password_hash from "correct horse"
        let old = "$argon2id$v=19$m=64,t=1,p=1$elNyRzJVdGRQRlRORkMyRQ$I/UP5TlFrwdcaI1st6G/gDSyDAH2ySz3nLcFFPChBZs";
        let hasher = Hasher::default();
        assert!(hasher.verify(&secret("correct horse"), Some(old)).await.unwrap());
        assert!(!hasher.verify(&secret("correct house"), Some(old)).await.unwrap());
        assert!(!Argon2id.is_current(old));
    }

    #[actix_web::test]
    async fn invalid_hash_is_an_error_and_is_not_current() {
        for invalid in [
            "",
            "correct horse",
            "$argon2id$v=19$m=1,t=0,p=0$c2FsdHNhbHQ$AAAA",
            "$1$x$y",
        ] {
            assert!(!Argon2id.is_current(invalid));
            let error = Hasher::default().verify(&secret("x"), Some(invalid)).await.unwrap_err();
            assert!(
                matches!(error, HashError::Failure(Failure::Unreadable(_))),
                "{invalid}: {error}"
            );
        }
    }

    /// Returns when the test tells it to.
    struct Blocking {
        started: Sender<()>,
        finish: Mutex<Receiver<()>>,
    }

    impl HashFunction for Blocking {
        fn hash(&self, password: &SecretString) -> Result<String, Failure> {
            self.started.send(()).unwrap();
            self.finish.lock().unwrap().recv().unwrap();
            Ok(password.expose_secret().to_owned())
        }

        fn verify(&self, _: &SecretString, _: &str) -> Result<bool, Failure> {
            Ok(true)
        }

        fn is_current(&self, _: &str) -> bool {
            true
        }
    }

    #[actix_web::test]
    async fn requests_give_up_while_the_hasher_is_busy() {
        let ((started, has_started), (finish, may_finish)) = (channel(), channel());
        let function = Blocking {
            started,
            finish: Mutex::new(may_finish),
        };
        let hasher = Hasher::new(Arc::new(function), 1, Duration::from_millis(50));
        let first = actix_web::rt::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(&secret("first"), Queue::SignIn).await }
        });
        let has_started = actix_web::web::block(move || has_started.recv().map(|()| has_started));
        let has_started = has_started.await.unwrap().unwrap();
        let (other, hash) = (secret("other"), Some("hash"));
        assert!(matches!(hasher.verify(&other, None).await, Err(HashError::Busy)));
        // a cancelled request holds its permit until its work is done
        first.abort();
        assert!(matches!(hasher.verify(&other, None).await, Err(HashError::Busy)));
        finish.send(()).unwrap();
        while matches!(hasher.verify(&other, hash).await, Err(HashError::Busy)) {}
        assert!(hasher.verify(&other, hash).await.unwrap());
        drop(has_started);
    }

    #[actix_web::test]
    async fn new_passwords_do_not_delay_sign_ins() {
        let ((started, has_started), (finish, may_finish)) = (channel(), channel());
        let function = Blocking {
            started,
            finish: Mutex::new(may_finish),
        };
        let hasher = Hasher::new(Arc::new(function), 1, Duration::from_millis(50));
        let registration = actix_web::rt::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(&secret("first"), Queue::NewPassword).await }
        });
        let has_started = actix_web::web::block(move || has_started.recv().map(|()| has_started));
        let has_started = has_started.await.unwrap().unwrap();
        let other = secret("other");
        let busy = hasher.hash(&other, Queue::NewPassword).await;
        assert!(matches!(busy, Err(HashError::Busy)));
        assert!(hasher.verify(&other, Some("hash")).await.unwrap());
        finish.send(()).unwrap();
        registration.await.unwrap().unwrap();
        drop(has_started);
    }

    /// Accepts every password.
    struct AcceptAll;

    impl HashFunction for AcceptAll {
        fn hash(&self, _: &SecretString) -> Result<String, Failure> {
            Ok(String::new())
        }

        fn verify(&self, _: &SecretString, _: &str) -> Result<bool, Failure> {
            Ok(true)
        }

        fn is_current(&self, _: &str) -> bool {
            true
        }
    }

    #[actix_web::test]
    async fn no_password_matches_without_a_hash() {
        let hasher = Hasher::new(Arc::new(AcceptAll), 1, Duration::from_secs(60));
        assert!(!hasher.verify(&secret("any"), None).await.unwrap());
        assert!(hasher.verify(&secret("any"), Some("hash")).await.unwrap());
    }
}
