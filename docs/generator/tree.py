"""What the generator takes from the tree: the header and its adapters, the options, the version, and files by name."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .header import Header, Item, read

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Option:
    name: str
    value: str
    default: str
    meaning: str


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text()


@cache
def version() -> str:
    return re.search(r'^version *= *"(.*)"', text_of("Cargo.toml"), re.MULTILINE)[1]


@cache
def main_header() -> Header:
    return read(ROOT / "include/justredis.h")


@cache
def every_item() -> list[Item]:
    """Of the header, then of the adapters."""
    items = list(main_header().items)
    adapters = sorted(
        (ROOT / "include/justredis/adapters").glob("*.h"), key=lambda path: (path.stem != "dispatch", path)
    )
    for adapter in adapters:
        items += read(adapter).items
    return items


@cache
def options() -> list[Option]:
    """The table in the README, which a test compares with the code."""
    table = re.search(r"<!-- options -->\n(.*?)<!-- end of options -->", text_of("README.md"), re.DOTALL)[1]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()[2:]]
    return [Option(name.strip("`"), value, default, meaning) for name, value, default, meaning in rows]
