"""The reference of Node: the declarations of its types, with their comments."""

import re
from pathlib import Path

from .entry import Entry

COMMENT = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)
EXPORT = re.compile(
    r"(?P<comment>/\*\*(?:(?!\*/).)*\*/\n)?^export (?P<kind>class|interface|type|function|const) (?P<name>\w+)",
    re.DOTALL | re.MULTILINE,
)


def entries(folder: Path) -> list[Entry]:
    made = []
    for name in ("index.d.ts", "lib/types.d.ts"):
        if (folder / name).is_file():
            made += of_declarations((folder / name).read_text())
    commands = folder / "lib/commands.d.ts"
    if commands.is_file():
        made.append(of_commands(commands.read_text()))
    return made


def of_declarations(source: str) -> list[Entry]:
    made = []
    for found in EXPORT.finditer(source):
        declaration = body(source[found.start("kind") :])
        same = next((entry for entry in made if entry.name == found["name"]), None)
        if same is not None and found["kind"] == "const":
            # The value beside the type of that name: how to make one, if it says so.
            same.signature += f"\n\n{declaration}" if "new " in declaration else ""
            continue
        entry = Entry(found["name"], declaration, plain(found["comment"] or ""))
        if "{\n" in declaration and found["kind"] in ("class", "interface"):
            entry.signature, inside = declaration.split("{\n", 1)
            entry.signature = entry.signature.strip()
            entry.members = members(inside)
        made.append(entry)
    return made


def body(text: str) -> str:
    """A declaration up to the line on which it ends."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "{([") - (letter in "})]")
        following = text[place + 1 : place + 4]
        if depth == 0 and letter == "\n" and not following.startswith(("  ", "|")):
            return text[:place]
    return text.strip()


def members(inside: str) -> list[Entry]:
    """Members are indented once; several with one name stand together, under the first comment."""
    made: list[Entry] = []
    comment = ""
    for piece in re.split(r"\n(?=  (?!\s|\}|\)|\*))", "\n" + inside.rsplit("}", 1)[0]):
        text = piece.strip()
        if text.startswith("/**") and text.endswith("*/"):
            comment = plain(text)
            continue
        found = re.match(r"(?:readonly |static |get )*([\w$]+|\[[^\]]*\])", text)
        if found:
            name = found[1]
            if made and made[-1].name == name and not comment:
                made[-1].signature += "\n" + text
            else:
                made.append(Entry(name, text, comment))
        comment = ""
    return made


def of_commands(source: str) -> Entry:
    """Every command is a method: the names alone say what they do, so that they stand in one block."""
    lines = [
        line.strip() for line in source.splitlines() if line.startswith("  ") and not line.strip().startswith("/*")
    ]
    text = "Every command as a method; it does what the server says of the command of that name."
    return Entry("CommandMethods", "\n".join(lines), text)


def plain(comment: str) -> str:
    found = COMMENT.search(comment)
    if found is None:
        return ""
    return "\n".join(re.sub(r"^\s*\* ?", "", line) for line in found[1].strip().splitlines()).strip()
