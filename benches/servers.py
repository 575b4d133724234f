"""The servers that are measured against, private ones on free ports of 127.0.0.1: a single one, and clusters."""

import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import certificates

BINARY = os.environ.get("JR_TEST_SERVER", "redis-server")

# Those of a server, of which the idle connections each have one.
DATABASES = 400

SLOTS = 16384
ATTEMPTS = 20

# Below the range from which the kernel takes the ports of outgoing connections.
PORTS = (10000, 32000)


def prefix(core):
    """What a server is started with: the kernel ends it even when this program is killed outright."""
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return [*guard, "taskset", "-c", str(core)]


def answers(process, port, question, wanted, seconds):
    """Whether a server says this within so much time. (Another one may have the port: then ours ends at once.)"""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(question + b"\r\n")
                if wanted in connection.recv(4096) and process.poll() is None:
                    return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


class Server:
    """One, in a directory of its own; with TLS on the port after its own."""

    def __init__(self, core, has_tls):
        self.directory = tempfile.TemporaryDirectory()
        self.authority = f"{self.directory.name}/{certificates.AUTHORITY}"
        self.tls = certificates.make(self.directory.name) if has_tls else []
        self.prefix = prefix(core)

    def __enter__(self):
        for _ in range(ATTEMPTS):
            self.port = random.randint(*PORTS)
            options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.directory.name]
            options += ["--databases", str(DATABASES)]
            options += ["--tls-port", str(self.port + 1), *self.tls] if self.tls else []
            self.process = subprocess.Popen([*self.prefix, BINARY, *options], stdout=subprocess.DEVNULL)
            if answers(self.process, self.port, b"PING", b"+PONG", 5):
                return self
            self.stop()
        sys.exit(f"bench: {BINARY} does not start")

    def options_for(self, run):
        """How a program finds it."""
        encrypted = ["--port", str(self.port + 1), "--tls-ca", self.authority]
        return encrypted if run.tls else ["--port", str(self.port)]

    def stop(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.stop()
        self.directory.cleanup()


class Cluster:
    """So many nodes, each with as many slots as the others. Nobody has to bring them together: the file that each
    reads when it starts names all of them."""

    def __init__(self, core, nodes):
        self.directory = tempfile.TemporaryDirectory()
        self.nodes = nodes
        self.prefix = prefix(core)
        self.processes = []

    def __enter__(self):
        for _ in range(ATTEMPTS):
            first, last = PORTS
            self.port = random.randint(first, last - 2 * self.nodes)
            self.processes = [self.start(node) for node in range(self.nodes)]
            if all(
                answers(process, self.port + node, b"CLUSTER INFO", b"cluster_state:ok", 30)
                for node, process in enumerate(self.processes)
            ):
                return self
            self.stop()
        sys.exit(f"bench: a cluster of {self.nodes} nodes does not start")

    def start(self, node):
        folder = pathlib.Path(self.directory.name) / str(node)
        folder.mkdir(exist_ok=True)
        known = [self.line(other, "myself,master" if other == node else "master") for other in range(self.nodes)]
        (folder / "nodes.conf").write_text("\n".join([*known, f"vars currentEpoch {self.nodes} lastVoteEpoch 0", ""]))
        options = ["--port", str(self.port + node), "--cluster-port", str(self.bus_of(node)), "--bind", "127.0.0.1"]
        options += ["--save", "", "--dir", str(folder), "--cluster-enabled", "yes", "--cluster-node-timeout", "60000"]
        return subprocess.Popen([*self.prefix, BINARY, *options], stdout=subprocess.DEVNULL)

    def bus_of(self, node):
        return self.port + self.nodes + node

    def line(self, node, flags):
        """What nodes.conf says of a node: id, address, flags, primary, ping, pong, epoch, link, slots."""
        first, last = (place * SLOTS // self.nodes for place in (node, node + 1))
        address = f"127.0.0.1:{self.port + node}@{self.bus_of(node)}"
        return f"{node + 1:040x} {address} {flags} - 0 0 {node + 1} connected {first}-{last - 1}"

    def options_for(self, run):
        """How a program finds it."""
        # libvalkey_bench knows nothing but clusters.
        return ["--port", str(self.port), *(["--cluster"] if run.names_cluster else [])]

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def __exit__(self, *_):
        self.stop()
        self.directory.cleanup()
