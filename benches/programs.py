"""Builds what is run: the library, the programs in C, and the clients in Rust."""

import os
import re
import subprocess

import hiredis
from machine import COMPILER, ROOT
from works import DEBIAN, HIREDIS, HIREDIS_FOOTPRINT, JUSTREDIS, JUSTREDIS_FOOTPRINT, PEERS, RAW

TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
RELEASE = TARGET / "release"
FOLDER = TARGET / "bench"
NEWEST_FOLDER = FOLDER / "newest"

SOURCES = ROOT / "benches/c"
SHARED = [SOURCES / name for name in ("arguments.c", "measure.c", "footprint.c")]
FLAGS = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]
LIBRARY = [f"-I{ROOT}/include", f"-L{RELEASE}", "-ljustredis"]
LIBRARIES = {
    JUSTREDIS: [*LIBRARY, f"-Wl,-rpath,{RELEASE}"],
    # With the stripped copy beside it, as packages install it.
    JUSTREDIS_FOOTPRINT: [*LIBRARY, "-Wl,-rpath,$ORIGIN"],
    DEBIAN: ["-lhiredis", "-lev"],
    RAW: [],
}
# Programs of the newest hiredis, and what they need besides.
NEWEST = {HIREDIS: ["-lev"], HIREDIS_FOOTPRINT: []}


def build():
    """Whether the clients in Rust were built as well, whose crates cargo may have to download."""
    print("bench: building the library and the programs in C", flush=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    name_library()
    newest = hiredis.build(NEWEST_FOLDER) or ["-lhiredis"]
    libraries = LIBRARIES | {name: [*newest, *others] for name, others in NEWEST.items()}
    for name, needed in libraries.items():
        # One source is compiled with both versions of hiredis.
        source = SOURCES / f"{HIREDIS if name == DEBIAN else name}.c"
        command = [COMPILER, *FLAGS, source, *SHARED, "-o", FOLDER / name, *needed]
        subprocess.run(command, check=True)
    print("bench: building the clients in Rust; cargo downloads their crates if they are not here", flush=True)
    command = ["cargo", "build", "--release", "--quiet", "--package", "justredis-peers"]
    built = subprocess.run(command, cwd=ROOT, check=False)
    if built.returncode == 0:
        link(FOLDER / PEERS, RELEASE / PEERS)
    return built.returncode == 0


def name_library():
    """Gives the library the name by which programs look for it when they start; a stripped copy too."""
    dynamic = subprocess.run(["readelf", "-d", RELEASE / "libjustredis.so"], capture_output=True, text=True, check=True)
    soname = re.search(r"soname: \[(.*)\]", dynamic.stdout)[1]
    link(RELEASE / soname, "libjustredis.so")
    subprocess.run(["strip", RELEASE / "libjustredis.so", "-o", FOLDER / soname], check=True)


def link(name, target):
    name.unlink(missing_ok=True)
    name.symlink_to(target)
