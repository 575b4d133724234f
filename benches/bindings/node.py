"""Measures the Node binding beside ioredis (with automatic pipelining) and node-redis: each work in turn, in rounds,
and the medians of them.

node.py FOLDER [--quick]: FOLDER has all of them in its node_modules. What is run is in node_works.mjs."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from server import start_server

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = ["justredis", "ioredis", "node-redis"]
# What is shown, work, how many at once, and operations a run of each client.
WORKS = [
    ("GET, 1 in flight", "get", 1, (60000, 30000, 20000)),
    ("GET, 128 in flight", "get", 128, (1280000, 256000, 128000)),
    ("a pipeline of 128", "pipeline", 128, (1280000, 256000, 128000)),
    ("LRANGE of 100, 1 in flight", "lrange", 1, (20000, 8000, 8000)),
    ("LRANGE of 100, 128 in flight", "lrange", 128, (64000, 25600, 25600)),
]


def run(folder, port, client, work, count):
    _, name, at_once, _ = work
    command = ["node", "node_works.mjs", str(port), client, name, str(at_once), str(count)]
    done = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    return done["count"] / done["seconds"], done["cpu"] / done["count"] * 1e6


def main():
    folder, quick = sys.argv[1], "--quick" in sys.argv
    rounds, divisor = (3, 4) if quick else (5, 1)
    # Modules are looked for from where a program lies.
    shutil.copy(HERE / "node_works.mjs", folder)
    with tempfile.TemporaryDirectory() as data:
        server, port = start_server(data)
        try:
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {rounds} runs each")
            columns = " | ".join(f"{client}: k/s, us of CPU" for client in CLIENTS)
            print(f"| work | {columns} | times ioredis | CPU |")
            print("|---|---|---|---|---|---|")
            for work in WORKS:
                runs = {client: [] for client in CLIENTS}
                for _ in range(rounds):
                    for client, count in zip(CLIENTS, work[3]):
                        runs[client].append(run(folder, port, client, work, count // divisor // work[2] * work[2]))
                medians = {
                    client: [statistics.median(column) for column in zip(*measured)]
                    for client, measured in runs.items()
                }
                cells = " | ".join(f"{rate / 1000:.1f}, {cpu:.2f}" for rate, cpu in medians.values())
                (rate, cpu), (other_rate, other_cpu) = medians["justredis"], medians["ioredis"]
                print(f"| {work[0]:<28} | {cells} | {rate / other_rate:.1f} | 1/{other_cpu / cpu:.1f} |", flush=True)
            print(f"load average {os.getloadavg()[0]:.1f}")
        finally:
            server.kill()
            server.wait()


main()
