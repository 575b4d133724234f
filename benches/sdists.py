"""C libraries that are measured, built of the sources that sdists on PyPI carry: they are newer than those of Debian,
which has no libvalkey, and a hiredis that is years older and up to a third slower."""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass

from machine import COMPILER


@dataclass(frozen=True)
class Library:
    """The library of this name: in the sdist of the package of the same name, below vendor."""

    name: str
    sources: tuple
    # Below its folder: where its sources are, and from where programs include its headers.
    source_folder: str
    header_folder: str
    # What its own sources are compiled with besides.
    includes: tuple = ()

    def fetch(self, folder):
        """Puts its folder into `folder`, unless it is there."""
        if (folder / self.name).exists():
            return
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*command, "--no-binary", ":all:", "--dest", place, self.name], check=True)
            archive = next(pathlib.Path(place).glob(f"{self.name}-*.tar.gz"))
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
            shutil.move(next(pathlib.Path(place).glob(f"{self.name}-*/vendor/{self.name}")), folder / self.name)

    def build(self, folder):
        """Builds it; gives what a program is compiled with, or `None` if it cannot be had."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.fetch(folder)
        except (subprocess.CalledProcessError, StopIteration, OSError) as error:
            print(f"bench: *** the newest {self.name} CANNOT BE HAD *** ({error})")
            return None
        sources = folder / self.name / self.source_folder
        includes = [f"-I{folder / self.name / include}" for include in self.includes]
        archive = folder / f"lib{self.name.removeprefix('lib')}.a"
        objects = []
        for name in self.sources:
            objects.append(folder / f"{self.name}_{name}.o")
            compile_one = [COMPILER, "-std=gnu99", "-O2", "-fPIC", "-DNDEBUG", *includes, "-c", sources / f"{name}.c"]
            subprocess.run([*compile_one, "-o", objects[-1]], check=True)
        archive.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", archive, *objects], check=True)
        return [f"-I{folder / self.header_folder}", archive]


HIREDIS = Library(
    "hiredis",
    ("alloc", "async", "hiredis", "net", "read", "sds", "sockcompat", "ssl"),
    source_folder=".",
    header_folder=".",
)

LIBVALKEY = Library(
    "libvalkey",
    (
        *("adlist", "alloc", "async", "cluster", "command", "conn", "crc16", "dict", "dns", "net", "read", "sds"),
        *("sockcompat", "timer", "valkey", "vkutil"),
    ),
    source_folder="src",
    header_folder="libvalkey/include",
    includes=("include", "include/valkey", "src"),
)
