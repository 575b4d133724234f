#!/usr/bin/env python3
"""The adapters of include/justredis beside those of hiredis, and the C++ binding beside the C API, in interleaved
rounds on one core with the server; prints medians. The library must have been built (make build). hiredis is the newest
(benches/sdists.py) with the adapters of Debian's libhiredis-dev, which its package does not bring."""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches"))
import sdists  # noqa: E402

HERE = ROOT / "benches/bindings"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LIBRARY = TARGET / "release"
BUILD = TARGET / "bench-loops"
LOOPS = {"libuv": ["-luv"], "libevent": ["-levent"], "libev": ["-lev"]}
ADAPTERS = pathlib.Path("/usr/include/hiredis/adapters")
OURS = [f"-I{ROOT}/include", f"-L{LIBRARY}", "-ljustredis", f"-Wl,-rpath,{LIBRARY}"]


def compile(program, source, *flags, compiler=("cc", "-std=gnu11")):
    subprocess.run([*compiler, "-O2", "-DNDEBUG", source, "-o", BUILD / program, *flags, "-pthread"], check=True)


def build():
    """Gives {program: arguments without the port}."""
    BUILD.mkdir(parents=True, exist_ok=True)
    theirs = sdists.HIREDIS.build(BUILD)
    clients = {"justredis": OURS}
    if theirs and ADAPTERS.exists():
        shutil.copytree(ADAPTERS, BUILD / "hiredis/adapters", dirs_exist_ok=True)
        clients["hiredis"] = ["-DHIREDIS", *theirs]
    runs = {}
    for loop, libraries in LOOPS.items():
        for client, flags in clients.items():
            compile(f"{loop}-{client}", HERE / "loops.c", f"-D{loop.upper()}", *flags, *libraries)
            for in_flight, count in (1, 60_000), (128, 1_500_000):
                runs[f"{loop} {client} {in_flight}"] = (f"{loop}-{client}", str(in_flight), count)
        # As of a program that does not know of JR_REQUEST_NOW.
        compile(f"{loop}-later", HERE / "loops.c", f"-D{loop.upper()}", "-DNOW=0", *OURS, *libraries)
        runs[f"{loop} justredis 1 without NOW"] = (f"{loop}-later", "1", 60_000)
    compile("cpp", HERE / "cpp.cpp", f"-I{ROOT}/bindings/cpp", *OURS, compiler=("g++", "-std=c++20"))
    for way, count in ("c one", 80_000), ("c++ one", 80_000):
        runs[way] = ("cpp", way, count)
    for way in "c 128", "c++ 128", "coroutine 128":
        runs[way] = ("cpp", way, 2_000_000)
    return runs


def start_server(directory):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    server = subprocess.Popen(["taskset", "-c", "0", "redis-server", *options], stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"SET jr:bench:loops " + b"x" * 32 + b"\r\n")
                if connection.recv(16) == b"+OK\r\n":
                    return server, port
        except OSError:
            time.sleep(0.05)
    server.kill()
    raise SystemExit("loops: redis-server does not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of requests")
    options = parser.parse_args()
    runs = build()
    results = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as directory:
        server, port = start_server(directory)
        try:
            for _ in range(options.rounds):
                for name, (program, argument, count) in runs.items():
                    command = [BUILD / program, str(port), argument, str(max(1000, int(count * options.scale)))]
                    results[name].append(json.loads(subprocess.check_output(["taskset", "-c", "0", *command])))
        finally:
            server.kill()
            server.wait()
    print(f"{'':28} {'per second':>12} {'CPU us':>8} {'spread':>7}")
    for name, found in results.items():
        cpu = [one["cpu_us"] for one in found]
        middle = statistics.median(cpu)
        rate = statistics.median(one["per_second"] for one in found)
        print(f"{name:28} {rate:12,.0f} {middle:8.3f} {(max(cpu) - min(cpu)) / middle:6.0%}")


main()
