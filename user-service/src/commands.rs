//! The subcommands for operators: they list and revoke the sessions of a user, and delete or unlock an account.

use std::io::{self, Write};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use service_kit::database::Database;
use service_kit::{Failure, Jobs, Resources, audit};
use shared_session::{CurrentSession, Error, Handle, Registry};

use crate::account::AccountId;
use crate::accounts;
use crate::attempts::Attempts;
use crate::deletion::Deletion;
use crate::device::device_name;

const PAGE_SIZE: usize = 100;

/// A subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the sessions of a user, or revoke them
    Sessions(Sessions),
    /// Delete or unlock an account
    #[command(subcommand)]
    Accounts(Accounts),
}

/// Which sessions to list or to revoke.
#[derive(Args, Debug)]
pub struct Sessions {
    /// The user ID
    user: String,
    /// Revoke the session with this handle, or with --all every session of the user
    #[arg(long, value_name = "HANDLE", num_args = 0..=1)]
    revoke: Option<Option<Handle>>,
    /// Revoke every session of the user
    #[arg(long, requires = "revoke")]
    all: bool,
}

/// What to do with an account.
#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// Delete an account as its owner would: sign the user out everywhere, and delete the tasks and the account
    Delete {
        /// The user ID
        user: String,
    },
    /// Let a user sign in again on a new device after too many wrong passwords
    Unlock {
        /// The user ID
        user: String,
    },
}

/// Executes a subcommand.
///
/// # Errors
///
/// Returns one line for the operator.
pub async fn execute(command: Command, resources: Resources) -> Result<(), String> {
    if matches!(resources.database, Database::Memory) {
        return Err(
            "--session-store (SESSION_STORE): with memory: only the running service has its sessions".to_owned(),
        );
    }
    let (registry, jobs) = (resources.sessions.registry(), &resources.jobs);
    match command {
        Command::Sessions(Sessions { user, revoke, all }) => {
            let user = normalize(&user);
            match (revoke, all) {
                (None, _) => list(&registry, &user).await,
                (Some(None), true) => revoke_all(jobs, registry, user).await,
                (Some(Some(handle)), false) => revoke_one(jobs, registry, user, handle).await,
                _ => Err("--revoke: give either a handle or --all".to_owned()),
            }
        }
        Command::Accounts(Accounts::Delete { user }) => delete(&resources, &user).await,
        Command::Accounts(Accounts::Unlock { user }) => unlock(&resources, &user).await,
    }
}

/// Returns the ID as the registration stores it. Other services may have written another form.
fn normalize(user: &str) -> String {
    AccountId::parse(user).map_or_else(|_| user.to_owned(), |id| id.as_str().to_owned())
}

async fn list(registry: &Registry, user: &str) -> Result<(), String> {
    let mut lines = String::new();
    let (none, mut offset) = (CurrentSession::default(), Some(0));
    while let Some(from) = offset {
        let listed = registry.list(user, &none, from, PAGE_SIZE);
        let page = listed.await.map_err(|error| error.to_string())?;
        for session in page.sessions {
            lines += &format!(
                "{}  {}  {}  {}\n",
                session.handle,
                session.created.map_or_else(|| format!("{:20}", "unknown"), time),
                time(session.last_used),
                device_name(session.device.as_deref())
            );
        }
        offset = page.next;
    }
    if lines.is_empty() {
        return print(&format!("{user} has no session.\n"));
    }
    print(&format!(
        "{:43}  {:20}  {:20}  DEVICE\n{lines}",
        "HANDLE", "CREATED", "LAST USED"
    ))
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

async fn revoke_one(jobs: &Jobs, registry: Registry, user: String, handle: Handle) -> Result<(), String> {
    let no_session = format!("{user} has no session with this handle");
    let revoked = jobs.run_to_end(async move {
        let revoked = registry.revoke(&user, &handle).await?;
        if revoked {
            audit::event("session revoked").user(&*user).session(&handle).log();
        }
        Ok::<_, Error>(revoked)
    });
    let revoked = revoked.await.map_err(|error| error.to_string())?;
    if !revoked.map_err(|error| error.to_string())? {
        return Err(no_session);
    }
    print("The session was revoked.\n")
}

async fn revoke_all(jobs: &Jobs, registry: Registry, user: String) -> Result<(), String> {
    let revoked = jobs.run_to_end(async move {
        let count = registry.revoke_all(&user).await?;
        audit::event("all sessions revoked").user(&*user).log();
        Ok::<_, Error>(count)
    });
    let count = revoked.await.map_err(|error| error.to_string())?;
    let count = count.map_err(|error| error.to_string())?;
    print(&format!("Sessions revoked: {count}\n"))
}

async fn delete(resources: &Resources, user: &str) -> Result<(), String> {
    let id = AccountId::parse(user)?;
    let accounts = accounts::open(&resources.database);
    let deletion = Deletion::new(accounts, Attempts::new(&resources.database), resources);
    if !deletion.delete(&id).await.map_err(|error| error.to_string())? {
        return Err(no_account(&id));
    }
    print("The account and its tasks were deleted, and all its sessions were revoked.\n")
}

async fn unlock(resources: &Resources, user: &str) -> Result<(), String> {
    let id = AccountId::parse(user)?;
    let account = accounts::open(&resources.database).find(&id).await;
    if account.map_err(|error| error.to_string())?.is_none() {
        return Err(no_account(&id));
    }
    let attempts = Attempts::new(&resources.database);
    let forgotten = resources.jobs.run_to_end(async move {
        attempts.forget(&id).await?;
        audit::event("account unlocked").user(id.as_str()).log();
        Ok::<_, Failure>(())
    });
    forgotten.await.flatten().map_err(|error| error.to_string())?;
    print("The wrong passwords were forgotten.\n")
}

fn no_account(id: &AccountId) -> String {
    format!("there is no account {}", id.as_str())
}

/// Writes to the standard output. Unlike `print!`, it does not panic if that is closed.
fn print(text: &str) -> Result<(), String> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("failed to write to the standard output: {error}"))
}
