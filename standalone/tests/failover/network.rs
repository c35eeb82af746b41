//! The network of the test. Each host is a network namespace with two interfaces: Redis, the Sentinels and the services talk
//! over the private network, and browsers reach the services over the public one.

use std::process::Command;

pub const HOSTS: usize = 3;

/// Returns the address of a host in the private network.
pub fn private(host: usize) -> String {
    format!("10.77.0.{}", host + 1)
}

/// Returns the address of a host in the public network, which this process belongs to.
pub fn public(host: usize) -> String {
    format!("10.78.0.{}", host + 1)
}

/// Returns the host with a private address.
pub fn host_of(address: &str) -> usize {
    (0..HOSTS).find(|host| private(*host) == address).unwrap()
}

/// Creates the hosts and both networks.
pub fn set_up() {
    // `ip` keeps the names of namespaces under /run
    run("mount -t tmpfs tmpfs /run");
    run("ip link set lo up");
    for network in ["private", "public"] {
        run(&format!("ip link add {network} type bridge"));
        run(&format!("ip link set {network} up"));
    }
    run("ip addr add 10.78.0.254/24 dev public");
    for host in 0..HOSTS {
        run(&format!("ip netns add host{host}"));
        run(&format!("ip -n host{host} link set lo up"));
        for (network, address) in [("private", private(host)), ("public", public(host))] {
            run(&format!(
                "ip link add {network}{host} type veth peer name {network} netns host{host}"
            ));
            run(&format!("ip link set {network}{host} master {network} up"));
            run(&format!("ip -n host{host} addr add {address}/24 dev {network}"));
            run(&format!("ip -n host{host} link set {network} up"));
        }
    }
}

/// Isolates a host from the others: what it sends is lost, and so is what they send.
pub fn isolate(host: usize) {
    run(&format!("ip link set private{host} nomaster"));
}

/// Ends the isolation of a host.
pub fn rejoin(host: usize) {
    run(&format!("ip link set private{host} master private"));
}

/// Returns a command that runs a program on a host.
pub fn command_on(host: usize, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/host{host}")).arg(program);
    command
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}");
}
