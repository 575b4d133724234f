"""Builds the extension: the library by cargo, as an archive that goes into it whole, and the C sources around it.

In the repository the library is built by scripts/build. An sdist carries the sources of the library, as cargo packages
them, in the folder `library`. With JUSTREDIS_ARCHIVE=/path/to/libjustredis.a, and JUSTREDIS_INCLUDE, nothing is built
by cargo.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PACKAGED = HERE / "library"
# One build for every Python from 3.9 on; JUSTREDIS_ABI3=0 builds for the one that runs, to compare.
STABLE_ABI = os.environ.get("JUSTREDIS_ABI3", "1") != "0"
HINT = "justredis is built by cargo (Rust 1.88 or newer, https://rustup.rs) and a C compiler"


def in_repository():
    return not PACKAGED.exists() and (REPOSITORY / "scripts/build").exists()


def library_root():
    root = REPOSITORY if in_repository() else PACKAGED
    if not (root / "Cargo.toml").exists():
        raise SystemExit(f"the sources of the library are neither in {REPOSITORY} nor in {PACKAGED}")
    return root


def version():
    return re.search(r'^version *= *"(.*)"', (library_root() / "Cargo.toml").read_text(), re.MULTILINE)[1]


def build_archive():
    """Gives the archive of the library and the folder of its header."""
    given = os.environ.get("JUSTREDIS_ARCHIVE")
    if given:
        return given, os.environ.get("JUSTREDIS_INCLUDE", str(library_root() / "include"))
    root = library_root()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    path = os.pathsep.join([str(pathlib.Path.home() / ".cargo/bin"), os.environ.get("PATH", "")])
    command = ["cargo", "rustc", "--release", "--locked", "--lib", "--crate-type", "staticlib"]
    if in_repository():
        command = [str(root / "scripts/build"), "--quiet"]
    try:
        subprocess.run(command, cwd=root, env={**os.environ, "PATH": path}, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{HINT}: {error}") from error
    return str(root / target / "release/libjustredis.a"), str(root / "include")


class BuildExtension(build_ext):
    def build_extension(self, extension):
        archive, include = build_archive()
        extension.include_dirs.append(include)
        extension.extra_objects.append(archive)
        extension.depends.append(archive)
        super().build_extension(extension)


# What every Linux with glibc has, as PEP 513 and those after it list it.
ON_EVERY_LINUX = re.compile(r"(libc|libm|libdl|libpthread|librt|libgcc_s|ld-linux[-\w]*)\.so\.\d+")


def manylinux_tag(library):
    """The tag for the oldest glibc that has all that the library asks for, or None."""
    command = ["readelf", "--wide", "--dynamic", "--version-info", library]
    try:
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    versions = [tuple(map(int, version.split("."))) for version in re.findall(r"Name: GLIBC_([\d.]+)", text)]
    if not versions or not all(ON_EVERY_LINUX.fullmatch(name) for name in needed):
        return None
    major, minor = max(versions)[:2]
    return f"manylinux_{major}_{max(minor, 17)}"


class Wheel(bdist_wheel):
    """Its tag says which glibc the extension needs."""

    def get_tag(self):
        python, abi, platform = super().get_tag()
        libraries = self.get_finalized_command("build_ext").get_outputs()
        tag = manylinux_tag(libraries[0]) if platform.startswith("linux_") else None
        return python, abi, platform.replace("linux", tag, 1) if tag else platform


class SourceDistribution(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        if not in_repository():
            return
        # cargo's own package: a manifest without the tests and benches of the repository, and Cargo.lock.
        subprocess.run(["cargo", "package", "--quiet", "--no-verify", "--allow-dirty"], cwd=REPOSITORY, check=True)
        target = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
        name = f"justredis-{version()}"
        with tarfile.open(target / f"package/{name}.crate") as crate:
            crate.extractall(base_dir)
        shutil.rmtree(pathlib.Path(base_dir) / "library", ignore_errors=True)
        library = pathlib.Path(base_dir) / "library"
        (pathlib.Path(base_dir) / name).rename(library)
        # A workspace of its own, wherever the sdist is unpacked.
        with open(library / "Cargo.toml", "a") as manifest:
            manifest.write("\n[workspace]\n")


# The library's names stay inside; its threads outlive a dlclose, so that it is never unloaded.
LINK = ["-Wl,--exclude-libs,ALL", "-Wl,-z,nodelete", "-Wl,--gc-sections", "-Wl,-s"]
SOURCES = sorted(str(path.relative_to(HERE)) for path in (HERE / "src/extension").glob("*.c"))

setup(
    version=version(),
    ext_modules=[
        Extension(
            "justredis._justredis",
            SOURCES,
            depends=["src/extension/extension.h", "src/extension/compat.h"],
            define_macros=[("Py_LIMITED_API", "0x03090000")] if STABLE_ABI else [],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
            extra_link_args=LINK,
            libraries=["pthread", "dl", "m"],
            py_limited_api=STABLE_ABI,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp39"}} if STABLE_ABI else {},
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": Wheel, "sdist": SourceDistribution},
)
