//! [`Port`]: a TCP port that no other process of this program takes.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// Ports below those that the system gives to clients, which could take one before its server listens.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that is reserved as long as this value lives: its UDP twin is taken, and every process looks at that first.
pub(super) struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    pub(super) fn reserve() -> Result<Self> {
        let start = id().wrapping_mul(97);
        (0..COUNT)
            .find_map(|_| {
                let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
                let number = u16::try_from(FIRST + offset).ok()?;
                let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
                TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
                Some(Self {
                    number,
                    _reservation: reservation,
                })
            })
            .context("no free port")
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}
