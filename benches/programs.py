"""Builds what is run: the library, the programs in C, and the clients in Rust."""

import os
import re
import subprocess

from machine import COMPILER, ROOT
from works import HIREDIS, HIREDIS_FOOTPRINT, JUSTREDIS, JUSTREDIS_FOOTPRINT, PEERS, RAW

TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
RELEASE = TARGET / "release"
FOLDER = TARGET / "bench"

SOURCES = ROOT / "benches/c"
SHARED = [SOURCES / name for name in ("arguments.c", "measure.c", "footprint.c")]
FLAGS = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]
LIBRARY = [f"-I{ROOT}/include", f"-L{RELEASE}", "-ljustredis"]
LIBRARIES = {
    JUSTREDIS: [*LIBRARY, f"-Wl,-rpath,{RELEASE}"],
    # With the stripped copy beside it, as packages install it.
    JUSTREDIS_FOOTPRINT: [*LIBRARY, "-Wl,-rpath,$ORIGIN"],
    HIREDIS: ["-lhiredis", "-lev"],
    HIREDIS_FOOTPRINT: ["-lhiredis"],
    RAW: [],
}


def build():
    """Whether the clients in Rust were built as well, whose crates cargo may have to download."""
    print("bench: building the library and the programs in C", flush=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    name_library()
    for name, libraries in LIBRARIES.items():
        command = [COMPILER, *FLAGS, SOURCES / f"{name}.c", *SHARED, "-o", FOLDER / name, *libraries]
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
