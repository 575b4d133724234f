"""The newest hiredis: its C sources are in the sdist of the PyPI package of that name. Debian's is years older, and
up to a third slower."""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

from machine import COMPILER

SOURCES = ("alloc", "async", "hiredis", "net", "read", "sds", "sockcompat", "ssl")


def fetch(folder):
    """Puts the sources into `folder`/hiredis, unless they are there."""
    sources = folder / "hiredis"
    if sources.exists():
        return
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--no-binary", ":all:", "--dest", place, "hiredis"], check=True)
        archive = next(pathlib.Path(place).glob("hiredis-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
        shutil.move(next(pathlib.Path(place).glob("hiredis-*/vendor/hiredis")), sources)


def build(folder):
    """Builds the library from its sources; gives what a program is compiled with, or `None` if it cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        fetch(folder)
    except (subprocess.CalledProcessError, StopIteration, OSError) as error:
        print(f"bench: *** the newest hiredis CANNOT BE HAD: Debian's is measured in its place *** ({error})")
        return None
    objects = []
    for name in SOURCES:
        objects.append(folder / f"{name}.o")
        compile_one = [COMPILER, "-std=gnu99", "-O2", "-fPIC", "-DNDEBUG", "-c", folder / f"hiredis/{name}.c"]
        subprocess.run([*compile_one, "-o", objects[-1]], check=True)
    archive = folder / "libhiredis.a"
    archive.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", archive, *objects], check=True)
    return [f"-I{folder}", archive]
