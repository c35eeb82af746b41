"""A Redis for tests, also behind a Sentinel, as a cluster, and with TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "the server did not start"
            time.sleep(0.01)
        else:
            return


def cli(port: int, commands: str) -> str:
    """Send commands to a server, one a line, and return its replies."""
    command = ["redis-cli", "-p", str(port)]
    return subprocess.run(command, input=commands, capture_output=True, text=True, check=True).stdout


def wait_until(port: int, command: str, reply: str) -> None:
    """Wait until a server's reply to a command has this part."""
    while reply not in cli(port, command):
        time.sleep(0.02)


def commands(port: int) -> int:
    """Return how many commands on records a server ran, also those in scripts."""
    lines = [line.split(":calls=") for line in cli(port, "INFO commandstats").splitlines()]
    names = [f"cmdstat_{name}" for name in ("eval", "evalsha", "get", "getex", "set")]
    return sum(int(line[1].split(",")[0]) for line in lines if line[0] in names)


class Server:
    """A Redis, or with a configuration a Sentinel, on a port of its own."""

    def __init__(self, *options: object, sentinel: Path | None = None, port_option: str = "--port") -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        kind = ["--save", ""] if sentinel is None else [sentinel, "--sentinel"]
        own = [port_option, self.port, "--bind", "127.0.0.1", "--loglevel", "warning"]
        self.process = subprocess.Popen([str(word) for word in [program, *kind, *own, *options]])
        wait_for(self.port, self.process)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Sentinel:
    """A primary, its replica, and the Sentinel that makes the replica the primary."""

    def __init__(self, primary: Server, replica: Server, sentinel: Server) -> None:
        self._primary = primary
        self.url = f"redis-sentinel://127.0.0.1:{sentinel.port}/main"
        wait_until(primary.port, "INFO replication", "state=online")
        wait_until(sentinel.port, "SENTINEL REPLICAS main", str(replica.port))

    def kill_primary(self) -> None:
        """Kill the primary when the replica has its data."""
        assert cli(self._primary.port, "SET written-last 1\nWAIT 1 0").split() == ["OK", "1"]
        self._primary.kill()


@contextmanager
def sentinel() -> Iterator[Sentinel]:
    with tempfile.TemporaryDirectory() as folder:
        own = ["--dir", folder]
        with Server(*own, "--repl-diskless-sync-delay", 0) as primary:
            # a Sentinel writes what it learns into its configuration
            configuration = Path(folder, "sentinel.conf")
            monitored = [f"monitor main 127.0.0.1 {primary.port} 1", "down-after-milliseconds main 500"]
            configuration.write_text("".join(f"sentinel {line}\n" for line in monitored))
            with (
                Server(*own, "--replicaof", f"127.0.0.1 {primary.port}") as replica,
                Server(sentinel=configuration) as watcher,
            ):
                cli(watcher.port, "SENTINEL DEBUG INFO-PERIOD 200")
                yield Sentinel(primary, replica, watcher)


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster of three primaries, and return its URL."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as nodes:
        ports = []
        for number in range(3):
            options = ["--cluster-enabled", "yes", "--cluster-port", free_port(), "--dir", folder]
            ports.append(nodes.enter_context(Server(*options, "--cluster-config-file", f"{number}.conf")).port)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        command = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        for port in ports:
            wait_until(port, "CLUSTER INFO", "cluster_state:ok")
        yield f"redis-cluster://{addresses[0]}"


@contextmanager
def tls() -> Iterator[tuple[str, str]]:
    """Start a server with a certificate of a CA of its own. Return its URL, and the file with the CA's certificate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # without the extensions of the system's configuration
        (folder / "openssl.cnf").write_text("[req]\ndistinguished_name=name\n[name]\n")
        new_key = (
            "openssl req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        )
        for subject in [
            "-subj /CN=ca -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.crt",
            "-subj /CN=server -addext subjectAltName=IP:127.0.0.1 -CA ca.crt -CAkey ca.key -keyout s.key -out s.crt",
        ]:
            subprocess.run(f"{new_key} {subject}".split(), cwd=folder, capture_output=True, check=True)
        files = ["--tls-cert-file", folder / "s.crt", "--tls-key-file", folder / "s.key"]
        ca = folder / "ca.crt"
        options = ["--port", 0, *files, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"]
        with Server(*options, port_option="--tls-port") as server:
            yield f"rediss://127.0.0.1:{server.port}", str(ca)
