//! [`Port`]: a port of 127.0.0.1 that no other test has, whichever process it runs in.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::io;
use std::net::TcpListener;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

/// The ports for the servers of tests. `tests/lib.sh` takes those above for its own.
const PORTS: Range<u16> = 10_000..20_000;

/// A reserved port. No other test gets it until the value is dropped, also while no server listens on it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The system releases the lock when the process ends.
    _lock: File,
}

impl Port {
    /// Reserves a port on which nobody listens.
    ///
    /// # Panics
    ///
    /// Panics if there is none, or if the lock files cannot be written.
    #[must_use]
    pub fn reserve() -> Self {
        let ports = outside(&ephemeral());
        // not the first one, so that not all tests try the same ones
        let first = usize::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default() % ports.len();
        let (later, earlier) = (&ports[first..], &ports[..first]);
        let free = later
            .iter()
            .chain(earlier)
            .find_map(|number| Self::try_reserve(*number));
        free.expect("no port from 10000 to 19999 is free")
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let path = folder().join(number.to_string());
        let lock = lock_file(&path).unwrap_or_else(|error| panic!("failed to open {}: {error}", path.display()));
        lock.try_lock().ok()?;
        // a program that is no test may listen there
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// Returns the number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Opens a lock file. That of another user can only be read, which is enough for a lock.
fn lock_file(path: &Path) -> io::Result<File> {
    File::open(path).or_else(|_| File::create(path))
}

/// Returns the folder of the lock files, which all users can write to.
fn folder() -> PathBuf {
    let folder = env::temp_dir().join("shared-session-ports");
    if fs::create_dir(&folder).is_ok() {
        #[cfg(unix)]
        let _ = fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777));
    }
    folder
}

/// Returns the ports that no outgoing connection gets. Such a connection could take the port of a server that restarts.
fn outside(ephemeral: &RangeInclusive<u16>) -> Vec<u16> {
    let ports: Vec<u16> = PORTS.filter(|port| !ephemeral.contains(port)).collect();
    // a system can be set to use all ports
    if ports.is_empty() { PORTS.collect() } else { ports }
}

/// Returns the range from which outgoing connections get their ports.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let limits: Vec<u16> = text.split_whitespace().filter_map(|limit| limit.parse().ok()).collect();
    match limits[..] {
        [first, last] => first..=last,
        _ => 49_152..=65_535,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_that_somebody_has_is_not_reserved() {
        let port = Port::reserve();
        assert!(Port::try_reserve(port.number()).is_none());
        // a program that takes no lock
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = listener.local_addr().unwrap().port();
        assert!(Port::try_reserve(number).is_none());
    }

    #[test]
    fn ports_are_outside_the_range_of_outgoing_connections_if_it_leaves_some() {
        assert_eq!(outside(&(32_768..=60_999)), PORTS.collect::<Vec<_>>());
        assert_eq!(outside(&(15_000..=60_999)), (10_000..15_000).collect::<Vec<_>>());
        assert_eq!(outside(&(1024..=65_535)), PORTS.collect::<Vec<_>>());
    }
}
