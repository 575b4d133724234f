"""The reference of Go: the comments of what is exported, as `go doc` shows them, and the examples of the tests."""

import re
from dataclasses import replace
from pathlib import Path

from .comments import comment_before
from .entry import Entry

METHOD = re.compile(r"^func \(\w+ \*?(\w+)(?:\[\w+\])?\) ([A-Z]\w*)")
FUNCTION = re.compile(r"^func ([A-Z]\w*)")
TYPE = re.compile(r"^type ([A-Z]\w*)")
EXAMPLE = re.compile(r"^func Example(\w+)\(\)")
EMBEDDED = re.compile(r"(?m)^\t([a-z]\w*)$")
VALUES = re.compile(r"^(?:const|var) (?:\(|([A-Z]\w*))")


def entries(folder: Path) -> list[Entry]:
    package, values, functions = [], [], []
    types: dict[str, Entry] = {}
    embedded: dict[str, list[str]] = {}
    methods: list[tuple[str, Entry]] = []
    for path in sorted(folder.glob("*.go")):
        if path.name.endswith("_test.go"):
            continue
        lines = path.read_text().splitlines()
        for place, line in enumerate(lines):
            text = markdown(comment_before(lines, place, "//"))
            if line.startswith("package ") and text.startswith("Package "):
                package.append(Entry("justredis", 'import "justredis"', text))
            elif found := METHOD.match(line):
                methods.append((found[1], Entry(found[2], head(lines, place), text)))
            elif found := FUNCTION.match(line):
                functions.append(Entry(found[1], head(lines, place), text))
            elif found := TYPE.match(line):
                types[found[1]] = Entry(found[1], declaration(lines, place), text)
                embedded[found[1]] = EMBEDDED.findall(body(lines, place))
            elif VALUES.match(line) and (shown := exported(declaration(lines, place))):
                name = re.search(r"\b([A-Z]\w*)", shown.split("\n", 1)[-1] if "(" in line else shown)
                if name:
                    values.append(Entry(name[1], shown, text))
    parts = examples(folder)
    for name, entry in types.items():
        for owner, method in methods:
            # What a private type has that is embedded is there for users.
            if owner == name or owner in embedded[name]:
                signature = method.signature.replace(f"{owner})", f"{name})", 1)
                text = method.text + parts.get(f"{name}_{method.name}", "")
                entry.members.append(replace(method, signature=signature, text=text))
    for entry in functions + list(types.values()):
        entry.text += parts.get(entry.name, "")
    return package + functions + list(types.values()) + values


def examples(folder: Path) -> dict[str, str]:
    """What is shown of a function, `Open`, or a method, `Client_Do`; there may be several, `Client_Do_blocking`."""
    parts: dict[str, str] = {}
    for path in sorted(folder.glob("example_*test.go")):
        lines = path.read_text().splitlines()
        for place, line in enumerate(lines):
            if found := EXAMPLE.match(line):
                name = re.sub(r"_[a-z]\w*$", "", found[1])
                comment = markdown(comment_before(lines, place, "//")) or "Example:"
                program = re.sub(r"(?m)^\t", "", body(lines, place))
                parts[name] = parts.get(name, "") + f"\n\n{comment}\n\n```\n{program}\n```\n"
    return parts


def body(lines: list[str], place: int) -> str:
    """What stands between the braces of a declaration."""
    inside = []
    for line in lines[place + 1 :] if lines[place].endswith("{") else []:
        if line.startswith("}"):
            break
        inside.append(line)
    return "\n".join(inside)


def head(lines: list[str], place: int) -> str:
    """A function without its body."""
    text = []
    for line in lines[place:]:
        text.append(re.sub(r" \{( .*\})?$", "", line))
        if line.endswith(("{", "}")):
            break
    return "\n".join(text)


def declaration(lines: list[str], place: int) -> str:
    """A type, or a group of values, without members that are private."""
    if not lines[place].endswith(("{", "(")):
        return lines[place]
    kept = [lines[place]]
    for line in lines[place + 1 :]:
        if line.startswith(("}", ")")):
            kept.append(line)
            break
        if not re.match(r"\t[a-z_]\w*(,| |$)", line):
            kept.append(line)
    while len(kept) > 2 and (not kept[-2].strip() or kept[-2].strip().startswith("//")):
        del kept[-2]
    text = "\n".join(kept)
    return re.sub(r" \{\n\}$", "", text)


def exported(text: str) -> str:
    return text if re.search(r"^(?:\t|const |var )[A-Z]", text, re.MULTILINE) else ""


def markdown(text: str) -> str:
    """Links to names are [Name] in Go; code is indented by a tab there."""
    text = re.sub(r"\[(\*?[A-Za-z][\w.]*)\]", r"`\1`", text)
    return re.sub(r"(?m)^\t", "    ", text)
