//! What services keep for a user, and delete with the account. Only this file knows the keys of all services; it does not know
//! what they hold.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::database::Database;
use crate::failure::Failure;

/// The beginnings of the keys; the id of the account follows. Redis's ACL lets user-service delete them, and nothing else.
const PREFIXES: [&str; 1] = [TASKS];

const TASKS: &str = "task:list:";

/// Returns the key of the tasks of an account.
#[must_use]
pub fn tasks_key(account: &str) -> String {
    format!("{TASKS}{account}")
}

type Forget = Box<dyn Fn(&str) + Send + Sync>;

/// Deletes a user's data in all services. Clones are the same.
#[derive(Clone)]
pub struct UserData {
    database: Database,
    /// For the services of this process that keep data in its memory.
    in_memory: Arc<Mutex<Vec<Forget>>>,
}

impl UserData {
    /// Creates the deletion of what is in this database.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            in_memory: Arc::default(),
        }
    }

    /// Adds a function that deletes a user's data in the memory of this process.
    pub fn on_delete(&self, forget: impl Fn(&str) + Send + Sync + 'static) {
        self.in_memory.lock().push(Box::new(forget));
    }

    /// Deletes the data of an account. A request that is in flight in another service may store some again, which nobody can
    /// reach: no other account has this id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Unavailable`] if the database is unavailable. Some of the data may be deleted.
    pub async fn delete(&self, account: &str) -> Result<(), Failure> {
        if let Database::Redis(redis) = &self.database {
            for prefix in PREFIXES {
                let _removed: u64 = redis.write(redis::cmd("DEL").arg(format!("{prefix}{account}"))).await?;
            }
        }
        let in_memory = self.in_memory.lock();
        in_memory.iter().for_each(|forget| forget(account));
        Ok(())
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UserData").finish_non_exhaustive()
    }
}
