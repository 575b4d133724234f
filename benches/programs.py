"""Builds what is run: the library, the programs in C, and the clients in Rust."""

import os
import re
import subprocess

import sdists
from machine import COMPILER, ROOT
from works import DEBIAN, HIREDIS, HIREDIS_FOOTPRINT, HIREDIS_TLS, JUSTREDIS, JUSTREDIS_FOOTPRINT, LIBVALKEY, PEERS, RAW

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
OPENSSL = ["-DWITH_TLS", "-lev", "-lssl", "-lcrypto"]
# One source makes several programs.
SOURCE_OF = {DEBIAN: HIREDIS, HIREDIS_TLS: HIREDIS}


def build():
    """Gives those that could not be built: what they need has to be downloaded."""
    print("bench: building the library and the programs in C", flush=True)
    subprocess.run([ROOT / "scripts/build", "--quiet"], cwd=ROOT, check=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    name_library()
    newest, libvalkey = sdists.HIREDIS.build(NEWEST_FOLDER), sdists.LIBVALKEY.build(NEWEST_FOLDER)
    libraries = LIBRARIES | {name: [*(newest or ["-lhiredis"]), *others] for name, others in NEWEST.items()}
    if newest:
        libraries[HIREDIS_TLS] = [*newest, *OPENSSL]
    else:
        print("bench: Debian's hiredis is measured in the place of the newest")
    if libvalkey:
        libraries[LIBVALKEY] = [*libvalkey, "-lev"]
    for name, needed in libraries.items():
        source = SOURCES / f"{SOURCE_OF.get(name, name)}.c"
        command = [COMPILER, *FLAGS, source, *SHARED, "-o", FOLDER / name, *needed]
        subprocess.run(command, check=True)
    print("bench: building the clients in Rust; cargo downloads their crates if they are not here", flush=True)
    command = ["cargo", "build", "--release", "--quiet", "--package", "justredis-peers"]
    built = subprocess.run(command, cwd=ROOT, check=False)
    if built.returncode == 0:
        link(FOLDER / PEERS, RELEASE / PEERS)
    has = {HIREDIS_TLS: newest, LIBVALKEY: libvalkey, PEERS: built.returncode == 0}
    return [name for name, is_there in has.items() if not is_there]


def name_library():
    """Gives the library the name by which programs look for it when they start; a stripped copy too."""
    dynamic = subprocess.run(["readelf", "-d", RELEASE / "libjustredis.so"], capture_output=True, text=True, check=True)
    soname = re.search(r"soname: \[(.*)\]", dynamic.stdout)[1]
    link(RELEASE / soname, "libjustredis.so")
    subprocess.run(["strip", RELEASE / "libjustredis.so", "-o", FOLDER / soname], check=True)


def link(name, target):
    name.unlink(missing_ok=True)
    name.symlink_to(target)
