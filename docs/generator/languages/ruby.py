"""The reference of Ruby: the comments before what is public, with the tags of YARD as words."""

import re
from pathlib import Path

from .comments import comment_before
from .entry import Entry

OPENS = re.compile(r"^( *)(class|module) ([\w:]+)(?: < ([\w:]+))?")
METHOD = re.compile(r"^( *)def (self\.)?([\w?!=\[\]<>~+*/-]+)(\(.*?\))?")
GENERATED = "generated.rb"


def entries(folder: Path) -> list[Entry]:
    made: dict[str, Entry] = {}
    for path in sorted((folder / "lib").rglob("*.rb")):
        if path.name != GENERATED:
            of_source(path.read_text().splitlines(), made)
    return [entry for entry in made.values() if entry.text or entry.members]


def of_source(lines: list[str], made: dict[str, Entry]) -> None:
    """Classes and modules by their full names; one that is opened in several files is one entry."""
    names: list[tuple[int, str, bool]] = []
    for place, line in enumerate(lines):
        if found := re.match(r"^( *)end\b", line):
            if names and len(found[1]) == names[-1][0]:
                names.pop()
            continue
        text = comment_before(lines, place, "#")
        hidden = "@api private" in text or ":nodoc:" in line
        if found := OPENS.match(line):
            full = "::".join([name for _, name, _ in names] + [found[3]])
            if line.rstrip().endswith("end"):
                made.setdefault(full, Entry(full, line.strip().split(";")[0], words(text)))
                continue
            names.append((len(found[1]), found[3], hidden))
            if not hidden:
                entry = made.setdefault(full, Entry(full, line.strip(), ""))
                entry.text = entry.text or words(text)
        elif re.match(r"^ *(private|protected)$", line) and names:
            names[-1] = (*names[-1][:2], True)
        elif (found := METHOD.match(line)) and names and text and not hidden and not any(it[2] for it in names):
            full = "::".join(name for _, name, _ in names)
            signature = f"def {found[2] or ''}{found[3]}{found[4] or ''}"
            made[full].members.append(Entry((found[2] or "") + found[3], signature, words(text)))


def words(text: str) -> str:
    """Comments as Markdown: {Name#method} is code, tags are items of a list."""
    text = re.sub(r"^(frozen_string_literal|rubocop).*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"\{([\w:#?!.]+)\}", r"`\1`", text)
    text = re.sub(r"^@(param|option|yieldparam) (\w+)(?: \[(.*?)\])? ?", r"* `\2` ", text, flags=re.MULTILINE)
    text = re.sub(r"^@(return|raise|yield|yieldreturn|see|note) ?(?:\[(.*?)\])? ?", named_tag, text, flags=re.MULTILINE)
    return re.sub(r"(?<!\n)\n(?=\* )(?<!\n\* )", "\n", re.sub(r"([^\n])\n(\* )", r"\1\n\n\2", text, count=1))


def named_tag(found: re.Match) -> str:
    said = {"return": "gives", "raise": "raises", "yield": "yields", "yieldreturn": "the block gives"}
    kind = f"`{found[2]}` " if found[2] else ""
    return f"* {said.get(found[1], found[1])} {kind}"
