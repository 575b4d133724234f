"""Servers for the tests: on free ports, in folders of their own, gone when the test run is, however that ends."""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

BINARY = os.environ.get("JR_TEST_SERVER", "redis-server")
# The kernel ends them even when this process is killed outright.
GUARD = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def until(condition, seconds=30.0):
    """Waits until something holds, and gives what it is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("it has not come to hold")
        time.sleep(0.01)


def ask(port, *words):
    """The first bytes that a server answers to an inline command."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall((" ".join(map(str, words)) + "\r\n").encode())
        connection.settimeout(2)
        answer = connection.recv(65536)
        return answer.decode(errors="replace")
    return ""


class Server:
    """One server. It can be stopped and started again on its port."""

    def __init__(self, *options, configuration=None, tls_port=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="justredis-"))
        self.process = None
        self._options = [str(option) for option in options]
        self._configuration = configuration
        self._has_tls = tls_port
        for _ in range(20):
            # Below the range from which the kernel takes the ports of outgoing connections.
            self.port = 10000 + random.randrange(11000) * 2
            self.tls_port = self.port + 1
            if self.start():
                return
        raise AssertionError((self.folder / "log").read_text())

    def start(self):
        arguments = []
        if self._configuration is not None:
            path = self.folder / "configuration"
            path.write_text(self._configuration)
            arguments.append(str(path))
        arguments += ["--port", str(self.port), "--bind", "127.0.0.1", "--daemonize", "no", "--dir", str(self.folder)]
        if "--sentinel" not in self._options:
            arguments += ["--save", "", "--unixsocket", str(self.folder / "socket"), "--repl-diskless-sync-delay", "0"]
            arguments += ["--enable-debug-command", "local"]
        if self._has_tls:
            arguments += ["--tls-port", str(self.tls_port)]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*GUARD, BINARY, *arguments, *self._options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while self.process.poll() is None:
            if f"process_id:{self.process.pid}" in ask(self.port, "INFO", "server"):
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def endpoint(self):
        return ("127.0.0.1", self.port)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


class Cluster:
    """Three nodes, each with a third of the slots."""

    def __init__(self):
        self.servers = []
        for index in range(3):
            bus = random.randrange(32000, 32700)
            server = Server("--cluster-enabled", "yes", "--cluster-port", bus)
            self.servers.append(server)
            first, last = index * 16384 // 3, (index + 1) * 16384 // 3 - 1
            until(lambda port=server.port, line=(first, last): "+OK" in ask(port, "CLUSTER ADDSLOTSRANGE", *line))
            until(lambda port=server.port, epoch=index + 1: "+OK" in ask(port, "CLUSTER SET-CONFIG-EPOCH", epoch))
            if index:
                one = self.servers[0].port
                until(lambda one=one, p=server.port, b=bus: "+OK" in ask(one, "CLUSTER MEET 127.0.0.1", p, b))
        for server in self.servers:
            until(lambda port=server.port: "cluster_state:ok" in ask(port, "CLUSTER INFO"))
            until(lambda port=server.port: "cluster_known_nodes:3" in ask(port, "CLUSTER INFO"))

    @property
    def url(self):
        return "redis://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers) + "?topology=cluster"

    def end(self):
        for server in self.servers:
            server.end()


class Watched:
    """A primary with a replica, and three sentinels that watch them."""

    def __init__(self):
        self.primary = Server()
        self.replica = Server("--replicaof", "127.0.0.1", self.primary.port)
        text = (
            f"sentinel monitor primary 127.0.0.1 {self.primary.port} 2\n"
            "sentinel down-after-milliseconds primary 1000\nsentinel failover-timeout primary 3000\n"
        )
        self.sentinels = [Server("--sentinel", configuration=text) for _ in range(3)]
        for sentinel in self.sentinels:
            until(lambda port=sentinel.port: ask(port, "SENTINEL REPLICAS primary").startswith("*1"))
            until(lambda port=sentinel.port: ask(port, "SENTINEL SENTINELS primary").startswith("*2"))
            until(lambda port=sentinel.port: "+OK" in ask(port, "SENTINEL CKQUORUM primary"))

    @property
    def url(self):
        return "redis-sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels) + "/primary"

    def end(self):
        for server in [*self.sentinels, self.replica, self.primary]:
            server.end()


def certificates():
    """The folder of the certificates for tests, which scripts/certificates of the repository makes."""
    script = pathlib.Path(__file__).resolve().parents[3] / "scripts/certificates"
    return pathlib.Path(subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip())


def tls_server(folder):
    return Server(
        *("--tls-cert-file", folder / "server.pem", "--tls-key-file", folder / "server.key"),
        *("--tls-ca-cert-file", folder / "ca.pem", "--tls-auth-clients", "no"),
        tls_port=True,
    )
