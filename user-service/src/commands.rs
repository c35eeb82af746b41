//! The subcommands for operators: they list and revoke the sessions of a user, and delete, unlock or reset an account.

use std::env;
use std::io::{self, Write};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use service_kit::database::{Database, Redis};
use service_kit::{Resources, audit};
use shared_session::{CurrentSession, Handle, Registry};

use crate::account::{Account, UserId};
use crate::attempts::{Attempts, Key};
use crate::deletion::Deletion;
use crate::device::device_name;
use crate::hasher::Hasher;
use crate::reset::Resets;
use crate::{accounts, operator_log, texts};

const PAGE_SIZE: usize = 100;

/// A subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the sessions of a user, or revoke them
    Sessions(Sessions),
    /// Delete, unlock or reset an account
    #[command(subcommand)]
    Accounts(Accounts),
}

/// Which sessions to list or to revoke.
#[derive(Args, Debug)]
pub struct Sessions {
    #[command(flatten)]
    target: Target,
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
    Delete(Target),
    /// Let a user try passwords again after too many wrong ones
    Unlock(Target),
    /// Print a link by which a user who forgot the password can set a new one, once and within an hour
    Reset(Target),
}

/// Whose account it is, and who asks.
#[derive(Args, Debug)]
pub struct Target {
    /// The user ID
    user: String,
    /// Who you are, for the audit log [default: the user of sudo or of the shell]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
}

/// Executes a subcommand.
///
/// # Errors
///
/// Returns one line for the operator.
pub async fn execute(command: Command, resources: Resources) -> Result<(), String> {
    let Database::Redis(redis) = resources.database.clone() else {
        return Err(
            "--session-store (SESSION_STORE): with memory: only the running service has its sessions".to_owned(),
        );
    };
    let jobs = resources.jobs.clone();
    // an interruption does not cut a change from its record
    let job = async move { Operation { resources, redis }.execute(command).await };
    jobs.run_to_end(job).await.map_err(text)?
}

struct Operation {
    resources: Resources,
    redis: Redis,
}

impl Operation {
    async fn execute(&self, command: Command) -> Result<(), String> {
        let registry = self.resources.sessions.registry();
        let target = match &command {
            Command::Sessions(Sessions { target, .. }) => target,
            Command::Accounts(Accounts::Delete(target) | Accounts::Unlock(target) | Accounts::Reset(target)) => target,
        };
        if let Command::Sessions(Sessions {
            revoke: Some(one), all, ..
        }) = &command
            && one.is_some() == *all
        {
            return Err("--revoke: give either a handle or --all".to_owned());
        }
        let user_id = UserId::parse(&target.user)?;
        let accounts = accounts::open(&self.resources.database);
        let account = accounts.find(&user_id).await.map_err(text)?;
        let account = account.ok_or_else(|| format!("there is no account {}", user_id.as_str()))?;
        let texts = texts::open(&self.resources.database);
        match &command {
            Command::Sessions(Sessions { revoke: None, .. }) => list(&registry, &account).await,
            Command::Sessions(Sessions { revoke: Some(None), .. }) => {
                self.record(target, revoke_all(&registry, &account)).await
            }
            Command::Sessions(Sessions {
                revoke: Some(Some(handle)),
                ..
            }) => self.record(target, revoke_one(&registry, &account, handle)).await,
            Command::Accounts(Accounts::Delete(_)) => {
                let deletion = Deletion::new(accounts, Attempts::new(texts), &self.resources);
                self.record(target, delete(&deletion, account)).await
            }
            Command::Accounts(Accounts::Unlock(_)) => {
                self.record(target, unlock(&Attempts::new(texts), &account)).await
            }
            Command::Accounts(Accounts::Reset(_)) => {
                let resets = Resets::new(accounts, texts, Hasher::default(), &self.resources);
                self.record(target, reset(&resets, &account)).await
            }
        }
    }

    /// Makes a change, and records it in the log of the service too. Prints what was done.
    async fn record(
        &self,
        target: &Target,
        change: impl Future<Output = Result<String, String>>,
    ) -> Result<(), String> {
        let name = |variable| env::var(variable).ok().filter(|name| !name.is_empty());
        let operator = target
            .operator
            .clone()
            .or_else(|| name("SUDO_USER"))
            .or_else(|| name("USER"));
        let operator = operator.ok_or("--operator: say who you are, for the audit log")?;
        let (done, events) = audit::by_operator(operator, change).await;
        let sent = operator_log::send(&self.redis, &events).await;
        print(&done?)?;
        sent.map_err(|error| format!("it was done, but not recorded in the log of the service: {error}"))
    }
}

async fn list(registry: &Registry, account: &Account) -> Result<(), String> {
    let mut lines = String::new();
    let (none, mut offset) = (CurrentSession::default(), Some(0));
    while let Some(from) = offset {
        let page = registry.list(&account.id, &none, from, PAGE_SIZE).await.map_err(text)?;
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
        return print(&format!("{} has no session.\n", account.user_id.as_str()));
    }
    print(&format!(
        "{:43}  {:20}  {:20}  DEVICE\n{lines}",
        "HANDLE", "CREATED", "LAST USED"
    ))
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

async fn revoke_one(registry: &Registry, account: &Account, handle: &Handle) -> Result<String, String> {
    let user = account.user_id.as_str();
    if !registry.revoke(&account.id, handle).await.map_err(text)? {
        return Err(format!("{user} has no session with this handle"));
    }
    audit::event("session revoked").user(user).session(handle).log();
    Ok("The session was revoked.\n".to_owned())
}

async fn revoke_all(registry: &Registry, account: &Account) -> Result<String, String> {
    let count = registry.revoke_all(&account.id).await.map_err(text)?;
    audit::event("all sessions revoked")
        .user(account.user_id.as_str())
        .log();
    Ok(format!("Sessions revoked: {count}\n"))
}

async fn delete(deletion: &Deletion, account: Account) -> Result<String, String> {
    deletion.delete(account).await.map_err(text)?;
    Ok("The account and its tasks were deleted, and all its sessions were revoked.\n".to_owned())
}

async fn unlock(attempts: &Attempts, account: &Account) -> Result<String, String> {
    attempts.forget(&Key::of_account(&account.id)).await.map_err(text)?;
    audit::event("account unlocked").user(account.user_id.as_str()).log();
    Ok("The wrong passwords were forgotten.\n".to_owned())
}

async fn reset(resets: &Resets, account: &Account) -> Result<String, String> {
    let token = resets.begin(account).await.map_err(text)?;
    let path = service_kit::site::navigation::RESET;
    Ok(format!(
        "Give the user this link. It works once, within an hour. Put the address of the site before it:\n{path}?token={}\n",
        token.as_str()
    ))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Writes to the standard output. Unlike `print!`, it does not panic if that is closed.
fn print(text: &str) -> Result<(), String> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("failed to write to the standard output: {error}"))
}
