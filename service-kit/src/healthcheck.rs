//! The `healthcheck` subcommand: what a container's health check runs, so that its image needs no HTTP client.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::health;

/// Shorter than the time a container engine gives a check, so that it is this that tells what is wrong.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks the service that was told to listen on `bind` whether it is alive.
pub(crate) fn healthcheck(bind: SocketAddr) -> Result<(), HealthcheckError> {
    let address = reachable(bind);
    let status = status(address).map_err(|source| HealthcheckError::Silent { address, source })?;
    if status == *b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(HealthcheckError::Unwell { address })
    }
}

/// Why a service is not well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthcheckError {
    #[error("nothing answers at {address}: {source}")]
    Silent { address: SocketAddr, source: io::Error },
    #[error("what answers at {address} is not well, or another program")]
    Unwell { address: SocketAddr },
}

/// Where a service that listens on `bind` is reached from the same machine.
pub(crate) fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind {
        SocketAddr::V4(bind) if bind.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(bind) if bind.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        bind => return bind,
    };
    SocketAddr::new(ip, bind.port())
}

fn status(address: SocketAddr) -> io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let path = health::ALIVE;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status)
}
