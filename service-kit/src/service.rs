//! What distinguishes a service from the others, and what its routes are given.

use shared_session::{SessionManager, Settings, SettingsError};

use crate::database::Database;
use crate::jobs::Jobs;
use crate::user_data::UserData;

/// The session field that names the signed-in account, which every program of the site must agree on.
pub(crate) const PRINCIPAL_FIELD: &str = "account";

/// The name, the address and the paths of a service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The name of the program.
    pub name: &'static str,
    /// The version of the program: `env!("CARGO_PKG_VERSION")` in the service's crate.
    pub version: &'static str,
    /// What the service does, for `--help`.
    pub about: &'static str,
    /// The address to listen on, unless `--bind` names another.
    pub bind: &'static str,
    /// The paths that contain the service's pages, such as `/user`. The stylesheet is served under each of them, and
    /// an error page links to the one that contains the requested path.
    pub prefixes: &'static [&'static str],
    /// Whether this process is the whole application, rather than one of several services behind a proxy. It then
    /// prints the addresses to open and sets the security headers, and does not warn of sessions in memory.
    pub standalone: bool,
}

/// The sessions and the database of a process. The workers of the server share them.
#[derive(Clone)]
pub struct Resources {
    /// The sessions, and the registry of each user's sessions.
    pub sessions: SessionManager,
    /// The database for data that outlives sessions.
    pub database: Database,
    /// Runs what must not be cut in two when a client hangs up.
    pub jobs: Jobs,
    /// Deletes what all services keep for a user.
    pub user_data: UserData,
}

impl Resources {
    pub(crate) fn open(settings: &Settings) -> Result<Self, SettingsError> {
        let database = Database::open(settings)?;
        Ok(Self {
            sessions: SessionManager::new(settings)?,
            jobs: Jobs::of_this_runtime(),
            user_data: UserData::new(&database),
            database,
        })
    }
}
