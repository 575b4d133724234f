"""The reference of C++: the comments with three slashes in its headers."""

import re
from pathlib import Path

from .comments import comment_before, until
from .entry import Entry

CLASS = re.compile(r"^(?:template <.*> )?(?:class|struct) (\w+)")


def entries(folder: Path) -> list[Entry]:
    made = []
    order = ["client", "command", "reply", "convert", "error", "queue", "stream", "config", "coroutine"]
    for name in order:
        path = folder / f"justredis/cpp/{name}.hpp"
        if path.is_file():
            made += of_header(path.read_text().splitlines())
    return made


def of_header(lines: list[str]) -> list[Entry]:
    """Classes and functions of the namespace stand at the left margin, members are indented once. What is in the
    namespace `detail` is not for users."""
    made, owner, public, detail = [], None, True, False
    for place, line in enumerate(lines):
        if line.startswith("namespace"):
            detail = "detail" in line
        elif line.startswith("}"):
            owner, detail = None, detail and "namespace" not in line
        elif re.match(r"\s+(public|private|protected):", line):
            public = "public" in line
        elif place and lines[place - 1].strip().startswith("///") and not line.strip().startswith("///"):
            text = comment_before(lines, place, "///")
            if text.startswith("Private:") or detail:
                continue
            indented = line.startswith("    ")
            if not indented:
                declaration = one_line(until(lines, place, "{;"))
                made.append(Entry(name_of(declaration), declaration, text))
                found = CLASS.match(line)
                owner, public = (made[-1], not line.startswith("class")) if found else (None, True)
            elif owner is not None and public:
                declaration = one_line(until(lines, place, "{;"))
                declaration = re.sub(r" : \w+_?[({].*", "", declaration)
                owner.members.append(Entry(name_of(declaration), declaration, text))
    return [entry for entry in made if entry.name]


def one_line(declaration: str) -> str:
    return re.sub(r"\s+", " ", declaration)


def name_of(declaration: str) -> str:
    declaration = re.sub(r"^template <[^>]*(?:<[^>]*>[^>]*)*> ", "", declaration)
    if found := re.match(r"(?:class|struct|enum class|enum|namespace) (\w+)|using (\w+)", declaration):
        return found[1] or found[2]
    if "operator" in declaration:
        return "operator" + re.search(r"operator\s*([^\s(]+|\(\))", declaration)[1]
    found = re.search(r"(~?\w+)\s*(?:\(|=|$|\{)", declaration)
    return found[1] if found else ""
