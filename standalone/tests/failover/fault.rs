//! The faults of the primary: how each is caused and ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::network::{self, HOSTS};
use crate::stack::Stack;

/// How long the load is observed after a promotion, before the fault ends.
pub const OBSERVED: Duration = Duration::from_secs(4);
const LONGEST_FAILOVER: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// SIGKILL.
    Killed,
    /// SIGSTOP.
    Hung,
    /// `SENTINEL FAILOVER`.
    Demoted,
    /// The host is isolated, with its Sentinel and its services.
    Isolated,
}

pub const KINDS: [Kind; 4] = [Kind::Killed, Kind::Hung, Kind::Demoted, Kind::Isolated];

/// A fault that was caused, and has led to a promotion.
pub struct Fault {
    pub kind: Kind,
    /// The host of the old primary.
    pub host: usize,
    pub caused: Instant,
    pub promoted: Instant,
}

/// A fault that is over: everything runs as before, with another primary.
pub struct Outcome {
    pub fault: Fault,
    pub ended: Instant,
    pub healthy: Instant,
}

impl Fault {
    /// Causes a fault and waits until a replica is promoted.
    pub fn cause(kind: Kind, stack: &mut Stack) -> Self {
        let host = stack.wait_until_healthy();
        let caused = Instant::now();
        match kind {
            Kind::Killed => stack.kill_redis(host),
            Kind::Hung => stack.signal_redis(host, "STOP"),
            Kind::Demoted => stack
                .sentinel::<()>((host + 1) % HOSTS, "SENTINEL FAILOVER mymaster")
                .unwrap(),
            Kind::Isolated => network::isolate(host),
        }
        while !(0..HOSTS).any(|other| other != host && stack.is_primary(other)) {
            if caused.elapsed() > LONGEST_FAILOVER {
                stack.print_logs();
                panic!("no replica was promoted");
            }
            sleep(Duration::from_millis(5));
        }
        Self {
            kind,
            host,
            caused,
            promoted: Instant::now(),
        }
    }

    /// Ends the fault and waits until the old primary is a replica.
    pub fn end(self, stack: &mut Stack) -> Outcome {
        let ended = Instant::now();
        match self.kind {
            Kind::Killed => stack.restart_redis(self.host),
            Kind::Hung => stack.signal_redis(self.host, "CONT"),
            Kind::Demoted => {}
            Kind::Isolated => network::rejoin(self.host),
        }
        stack.wait_until_healthy();
        Outcome {
            fault: self,
            ended,
            healthy: Instant::now(),
        }
    }
}
