"""What was measured, and on what: the machine, and the version of everything that takes part."""

import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILER = os.environ.get("CC", "cc")


def first_line(*command):
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.partition("\n")[0]


def processor():
    found = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def memory():
    total = re.search(r"^MemTotal:\s*(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)
    return f"{int(total[1]) / (1 << 20):.0f} GiB of memory"


def system():
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{release}, Linux {re.match(r'[0-9.]*[0-9]', platform.release())[0]}"


def macros(header, *names, options=()):
    """The version of a C library, which its header holds in these macros."""
    source = f"#include <{header}>\n{' '.join(names)}\n"
    command = [COMPILER, *options, "-E", "-P", "-x", "c", "-"]
    lines = subprocess.run(command, check=False, input=source, capture_output=True, text=True).stdout.split("\n")
    return ".".join(next(line for line in reversed(lines) if line).split())


def crate(name):
    """The version of a crate that is built, which Cargo.lock holds."""
    return re.search(rf'name = "{name}"\nversion = "(.*)"', (ROOT / "Cargo.lock").read_text())[1]


def number(text):
    """The version in the first line that a program prints about itself."""
    return re.search(r"\d+\.\d+(\.\d+)?", text)[0]


def hardware():
    return f"{processor()}, {os.cpu_count()} cores, {memory()}; {system()}"


def hiredis_version(*options):
    return macros("hiredis/hiredis.h", "HIREDIS_MAJOR", "HIREDIS_MINOR", "HIREDIS_PATCH", options=options)


def libvalkey_version(folder):
    names = [f"LIBVALKEY_VERSION_{part}" for part in ("MAJOR", "MINOR", "PATCH")]
    return macros("valkey/valkey.h", *names, options=[f"-I{folder}/libvalkey/include"])


def versions(server, newest):
    """`server`: the program that is measured against; `newest`: where the newest hiredis and libvalkey are."""
    said = first_line(server, "--version")
    return ", ".join(
        [
            f"justredis {crate('justredis')}",
            f"{said.partition(' ')[0]} {number(said)}",
            f"hiredis {hiredis_version(f'-I{newest}')} and Debian's {hiredis_version()}",
            *([f"libvalkey {libvalkey_version(newest)}"] if (newest / "libvalkey").exists() else []),
            f"libev {macros('ev.h', 'EV_VERSION_MAJOR', 'EV_VERSION_MINOR')}",
            " ".join(first_line("openssl", "version").split()[:2]),
            *(f"{name} {crate(name)}" for name in ("rustls", "redis", "fred", "tokio")),
            first_line("rustc", "--version").partition(" (")[0],
            first_line(COMPILER, "--version"),
        ]
    )
