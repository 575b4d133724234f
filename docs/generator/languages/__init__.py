"""The bindings. Each has a page with its README and, out of its sources, a reference; one that is not in the tree has
none. To add one: a module here with a function that gives its entries, and a line in `ALL`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import cpp, go, node, python, ruby
from .entry import Entry


@dataclass
class Language:
    """`key` is the folder below bindings and below the site, `code` how its code blocks are coloured, `hello` the first
    program. `entries` reads the sources in its folder."""

    key: str
    title: str
    code: str
    hello: str
    entries: Callable[[Path], list[Entry]]


ALL = [
    Language("cpp", "C++", "cpp", "examples/hello.cpp", cpp.entries),
    Language("python", "Python", "python", "examples/hello.py", python.entries),
    Language("node", "Node", "typescript", "examples/hello.mjs", node.entries),
    Language("go", "Go", "go", "examples/hello/main.go", go.entries),
    Language("ruby", "Ruby", "ruby", "examples/hello.rb", ruby.entries),
]
