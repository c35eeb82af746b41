//! Passwords as hashes: computed off the threads that answer requests, and only so many at once. It knows no accounts.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use service_kit::Failure;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::password;

/// How long a request waits until it is its password's turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// The hash of a password that nobody has, for whoever signs in under an id that nobody has: it costs what another costs.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$OVNQTGx4ck5ybGo5Sk40eQ$4CG+Ih4nhX/EdEIgnw2uKjR8QUOeAZHhSIysAGj+Lgs";

/// A slow hash function, and how its hashes are compared.
pub trait HashFunction: Send + Sync {
    /// The password's hash, with a new salt.
    ///
    /// # Errors
    ///
    /// When there is no randomness for the salt.
    fn hash(&self, password: &str) -> Result<String, Failure>;

    /// Whether the hash is this password's.
    ///
    /// # Errors
    ///
    /// When the hash is none.
    fn verify(&self, password: &str, hash: &str) -> Result<bool, Failure>;

    /// Whether a hash is as costly as new ones are.
    fn is_current(&self, hash: &str) -> bool;
}

/// Argon2id (RFC 9106) as the OWASP Password Storage Cheat Sheet has it: 19 MiB of memory, passed over twice.
#[derive(Clone, Copy, Debug)]
pub struct Argon2id;

const PARAMS: Params = match Params::new(19 * 1024, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("these are parameters of Argon2"),
};

impl Argon2id {
    fn function() -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
    }
}

impl HashFunction for Argon2id {
    fn hash(&self, password: &str) -> Result<String, Failure> {
        let hash: PasswordHash = Self::function()
            .hash_password(password.as_bytes())
            .map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(hash.to_string())
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, Failure> {
        // with the parameters that the hash names, so that those of today can change
        match Self::function().verify_password(password.as_bytes(), hash) {
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

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many others were before it. Nothing was done.
    #[error("too many passwords at once")]
    Busy,
    /// Something else.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Hashes passwords, as many at once as there are processors: more would not be faster, only take more memory.
#[derive(Clone)]
pub struct Hasher {
    function: Arc<dyn HashFunction>,
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Hasher {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self::new(Arc::new(Argon2id), processors, PATIENCE)
    }
}

impl Hasher {
    /// Hashes with `function`, `at_once` of them at once; each waits for its turn at most for `patience`.
    #[must_use]
    pub fn new(function: Arc<dyn HashFunction>, at_once: usize, patience: Duration) -> Self {
        Self {
            function,
            turns: Arc::new(Semaphore::new(at_once)),
            patience,
        }
    }

    /// The hash of a password as it was typed.
    ///
    /// # Errors
    ///
    /// See [`HashError`].
    pub async fn hash(&self, typed: &str) -> Result<String, HashError> {
        let password = password::normal(typed);
        self.run(move |function| function.hash(&password)).await
    }

    /// Whether this is the password whose hash is given. Without one it is not, and costs the same.
    ///
    /// # Errors
    ///
    /// See [`HashError`].
    pub async fn verify(&self, typed: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let password = password::normal(typed);
        let (known, hash) = (hash.is_some(), hash.unwrap_or(NOBODYS).to_owned());
        let is = self.run(move |function| function.verify(&password, &hash)).await?;
        Ok(is && known)
    }

    /// Whether a hash is as new ones are. If not, it is time for another one.
    #[must_use]
    pub fn is_current(&self, hash: &str) -> bool {
        self.function.is_current(hash)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn HashFunction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = timeout(self.patience, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| HashError::Busy)?;
        let function = self.function.clone();
        let done = spawn_blocking(move || {
            // kept to the end of the work, which goes on where the visitor does not wait for it
            let _turn = turn;
            work(&*function)
        });
        let done = done
            .await
            .map_err(|_| Failure::Internal("a password was not hashed".to_owned()))?;
        Ok(done?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use service_kit::Failure;

    use super::{Argon2id, HashError, HashFunction, Hasher, NOBODYS};

    #[actix_web::test]
    async fn a_hash_is_the_passwords_alone_and_never_twice_the_same() {
        let hasher = Hasher::default();
        let hash = hasher.hash("correct horse e\u{301}").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.is_current(&hash));
        assert!(hasher.verify("correct horse \u{e9}", Some(&hash)).await.unwrap());
        for other in ["correct horse e", "correct horse \u{e9} ", ""] {
            assert!(!hasher.verify(other, Some(&hash)).await.unwrap());
        }
        assert_ne!(hash, hasher.hash("correct horse \u{e9}").await.unwrap());
    }

    #[test]
    fn what_nobody_has_costs_what_another_hash_costs() {
        assert!(Argon2id.is_current(NOBODYS));
        let (new, nobodys) = (Argon2id.hash("x").unwrap(), NOBODYS.to_owned());
        let lengths = |hash: &str| hash.split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(lengths(&new), lengths(&nobodys));
        assert!(!Argon2id.verify("x", NOBODYS).unwrap());
    }

    #[actix_web::test]
    async fn a_hash_of_another_cost_is_verified_by_its_own_and_is_not_current() {
        // PHP's password_hash of "correct horse"
        let old = "$argon2id$v=19$m=64,t=1,p=1$elNyRzJVdGRQRlRORkMyRQ$I/UP5TlFrwdcaI1st6G/gDSyDAH2ySz3nLcFFPChBZs";
        assert!(Hasher::default().verify("correct horse", Some(old)).await.unwrap());
        assert!(!Hasher::default().verify("correct house", Some(old)).await.unwrap());
        assert!(!Argon2id.is_current(old));
        for wrong in [
            "",
            "correct horse",
            "$argon2id$v=19$m=1,t=0,p=0$c2FsdHNhbHQ$AAAA",
            "$1$x$y",
        ] {
            assert!(!Argon2id.is_current(wrong));
            let error = Hasher::default().verify("x", Some(wrong)).await.unwrap_err();
            assert!(
                matches!(error, HashError::Failure(Failure::Unreadable(_))),
                "{wrong}: {error}"
            );
        }
    }

    /// Takes as long as the test wants it to.
    struct Slow {
        begun: Sender<()>,
        end: Mutex<Receiver<()>>,
    }

    impl HashFunction for Slow {
        fn hash(&self, password: &str) -> Result<String, Failure> {
            self.begun.send(()).unwrap();
            self.end.lock().unwrap().recv().unwrap();
            Ok(password.to_owned())
        }

        fn verify(&self, _: &str, _: &str) -> Result<bool, Failure> {
            Ok(true)
        }

        fn is_current(&self, _: &str) -> bool {
            true
        }
    }

    #[actix_web::test]
    async fn nobody_waits_for_ever() {
        let ((begun, has_begun), (end, ended)) = (channel(), channel());
        let slow = Slow {
            begun,
            end: Mutex::new(ended),
        };
        let hasher = Hasher::new(Arc::new(slow), 1, Duration::from_millis(50));
        let first = actix_web::rt::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash("first").await }
        });
        let has_begun = actix_web::web::block(move || has_begun.recv().map(|()| has_begun));
        let has_begun = has_begun.await.unwrap().unwrap();
        // who waits gives up; who gave up waiting for the first leaves its turn taken until it is done
        assert!(matches!(hasher.verify("second", None).await, Err(HashError::Busy)));
        first.abort();
        assert!(matches!(hasher.verify("third", None).await, Err(HashError::Busy)));
        end.send(()).unwrap();
        while matches!(hasher.verify("fourth", None).await, Err(HashError::Busy)) {}
        // even where the function says yes, nobody has the password of nobody
        assert!(!hasher.verify("fifth", None).await.unwrap());
        assert!(hasher.verify("fifth", Some("hash")).await.unwrap());
        drop(has_begun);
    }
}
