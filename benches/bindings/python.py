"""Measures the Python binding beside redis-py with hiredis: each work in turn, in rounds, and the medians of them.

python.py PYTHON [--quick]: PYTHON has all of them installed. What is run is in python_works.py."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from server import start_server

HERE = pathlib.Path(__file__).resolve().parent
# What is shown, face, work, how many at once, operations a run, and how many of them redis-py does.
WORKS = [
    ("threads: one", "blocking", "get", 1, 40000, 20000),
    ("threads: 16", "blocking", "get", 16, 80000, 24000),
    ("a pipeline of 128", "blocking", "pipeline", 128, 256000, 64000),
    ("LRANGE of 100", "blocking", "lrange", 1, 16000, 8000),
    ("asyncio: one", "asyncio", "get", 1, 20000, 8000),
    ("asyncio: 128", "asyncio", "get", 128, 256000, 12800),
    ("asyncio: a pipeline of 128", "asyncio", "pipeline", 128, 256000, 64000),
    ("uvloop: one", "uvloop", "get", 1, 20000, 8000),
    ("uvloop: 128", "uvloop", "get", 128, 256000, 12800),
]


def run(python, port, client, work, count):
    _, face, name, at_once, *_ = work
    command = [python, HERE / "python_works.py", str(port), client, name, str(at_once), str(count), face]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return done["count"] / done["seconds"], done["cpu"] / done["count"] * 1e6


def main():
    python, quick = sys.argv[1], "--quick" in sys.argv
    rounds, divisor = (3, 4) if quick else (5, 1)
    with tempfile.TemporaryDirectory() as folder:
        server, port = start_server(folder)
        try:
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {rounds} runs each")
            print(f"| {'work':<28} | justredis: k/s, us of CPU | redis-py: k/s, us of CPU | times as many | CPU |")
            print("|---|---|---|---|---|")
            for work in WORKS:
                ours, theirs = [], []
                for _ in range(rounds):
                    ours.append(run(python, port, "justredis", work, work[4] // divisor // work[3] * work[3]))
                    theirs.append(run(python, port, "redis-py", work, work[5] // divisor // work[3] * work[3]))
                (rate, cpu), (other_rate, other_cpu) = (
                    [statistics.median(column) for column in zip(*runs)] for runs in (ours, theirs)
                )
                print(
                    f"| {work[0]:<28} | {rate / 1000:.1f}, {cpu:.1f} | {other_rate / 1000:.1f}, {other_cpu:.1f} "
                    f"| {rate / other_rate:.1f} | 1/{other_cpu / cpu:.1f} |",
                    flush=True,
                )
            print(f"load average {os.getloadavg()[0]:.1f}")
        finally:
            server.kill()
            server.wait()


main()
