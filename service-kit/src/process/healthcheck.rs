//! The `healthcheck` subcommand, for the health check of a container: the image needs no HTTP client.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Shorter than the timeout of container engines, so that this program reports the error.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Checks that the service that listens on `bind` responds to `path` with status 200.
pub(crate) fn check(bind: SocketAddr, path: &str) -> Result<(), HealthcheckError> {
    let address = reachable(bind);
    let status = status(address, path).map_err(|source| HealthcheckError::NoResponse { address, source })?;
    if status == *b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(HealthcheckError::Unhealthy { address })
    }
}

/// Why a health check failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthcheckError {
    #[error("no response from {address}: {source}")]
    NoResponse { address: SocketAddr, source: io::Error },
    #[error("the service at {address} is unhealthy, or another program uses this address")]
    Unhealthy { address: SocketAddr },
}

/// Returns the address at which this machine reaches a service that listens on `bind`.
pub(crate) fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind {
        SocketAddr::V4(bind) if bind.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(bind) if bind.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        bind => return bind,
    };
    SocketAddr::new(ip, bind.port())
}

fn status(address: SocketAddr, path: &str) -> io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status)
}
