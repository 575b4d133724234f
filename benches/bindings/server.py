"""The server that bindings and the clients of their languages are measured against."""

import socket
import subprocess
import time


def start_server(folder):
    """One on a free port, with the keys that works read; gives its process and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"SET key " + b"x" * 32 + b"\r\nRPUSH list " + b"item " * 100 + b"\r\n")
                connection.recv(100)
            return process, port
        except OSError:
            time.sleep(0.05)
