//! A TCP forwarder that delays what it passes on, in place of a network.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Forwards connections to a port of this machine, and prints its own port to standard output. A round trip takes `delay` more,
/// half of it on each way.
pub fn serve(target: u16, delay: Duration) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for client in listener.incoming() {
        let (client, server) = (client?, TcpStream::connect(("127.0.0.1", target))?);
        pass_on(client.try_clone()?, server.try_clone()?, delay / 2)?;
        pass_on(server, client, delay / 2)?;
    }
    Ok(())
}

/// Passes on each piece as long after it came as `delay` says. One thread reads and one writes, so that pieces do not wait for
/// each other.
fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration) -> Result<()> {
    to.set_nodelay(true)?;
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender
                .send((Instant::now() + delay, buffer[..length].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    spawn(move || {
        for (due, piece) in pieces {
            sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    Ok(())
}
