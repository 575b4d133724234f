"""Reads C headers of this project: what is declared in them, with the comment before each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Member:
    """A member of a struct."""

    name: str
    declaration: str
    text: str


@dataclass
class Item:
    """What a header declares. `kind`: constant, handle, type, callback, function or macro."""

    kind: str
    name: str
    declaration: str
    text: str
    value: str = ""
    members: list[Member] = field(default_factory=list)

    def bare_declaration(self) -> str:
        """Without the comments inside."""
        return re.sub(r"\n    /\*\*.*?\*/", "", self.declaration, flags=re.DOTALL)


@dataclass
class Header:
    """`opening` is the text before the rules, `rules` are they, by their numbers."""

    items: list[Item]
    opening: str
    rules: dict[int, str]


COMMENT = re.compile(r"^/\*\*?(?!/)(.*?)\*/\n", re.DOTALL | re.MULTILINE)
MEMBER = re.compile(r"^    /\*\*(.*?)\*/\n    ([^/]*?);", re.DOTALL | re.MULTILINE)


def comment_text(comment: str) -> str:
    """What a comment says, without its stars."""
    lines = [re.sub(r"^ *\* ?", "", line).rstrip() for line in comment.split("\n")]
    return "\n".join(lines).strip()


def declaration_after(source: str) -> str:
    """The declaration at the beginning of `source`: a macro to the end of its line, all else to its end."""
    source = re.sub(r"\A#if.*\n(.*\n)*?#else\n", "", source)
    if source.startswith("#define"):
        return re.match(r"(.*\\\n)*.*", source).group()
    depth = 0
    for place, letter in enumerate(source):
        depth += (letter == "{") - (letter == "}")
        body_ends = letter == "}" and depth == 0 and source.startswith("static")
        if depth == 0 and (letter == ";" or body_ends):
            return source[: place + 1]
    return ""


def classify(declaration: str) -> tuple[str, str] | None:
    """The kind and the name of what is declared."""
    patterns = [
        ("macro", r"#define (\w+)\("),
        ("constant", r"#define (\w+)"),
        ("handle", r"typedef struct (\w+) \w+;"),
        ("callback", r"typedef [^{(]*\(\*(\w+)\)\("),
        ("type", r"typedef struct (\w+) \{"),
        ("type", r"typedef [\w ]+?(\w+);"),
        ("function", r"(?:[\w]+[\s*]+)+?(\w+)\("),
    ]
    for kind, pattern in patterns:
        found = re.match(pattern, declaration)
        if found:
            return kind, found.group(1)
    return None


def item(declaration: str, text: str) -> Item | None:
    """What a declaration and the comment before it make; None where nothing is declared for users."""
    found = classify(declaration)
    if found is None or found[1].endswith("_") or found[1].endswith("_H") or text == "Private.":
        return None
    kind, name = found
    if kind == "constant":
        value = declaration.split(None, 2)[2] if len(declaration.split(None, 2)) > 2 else ""
        return Item(kind, name, f"#define {name} {value}", text, value)
    if kind == "macro":
        return Item(kind, name, f"{declaration.split('(')[0][8:]}({declaration.split('(')[1].split(')')[0]})", text)
    if declaration.startswith("static"):
        declaration = re.sub(r"^static inline ", "", declaration.split("{")[0].strip()) + ";"
    # Each struct has a typedef of its own name.
    declaration = re.sub(r"\bstruct (?=jr_\w+ \*)", "", declaration)
    members = [Member(member_name(m[1]), m[1].strip() + ";", comment_text(m[0])) for m in MEMBER.findall(declaration)]
    return Item(kind, name, declaration, text, "", members)


def member_name(declaration: str) -> str:
    return re.findall(r"\w+", declaration)[-1]


def read(path: Path) -> Header:
    """All that a header declares, in its order."""
    source = path.read_text()
    items = []
    for found in re.finditer(r"^#define (JR_VERSION_\w+) (\d+)$", source, re.MULTILINE):
        part = found[1].removeprefix("JR_VERSION_").lower()
        text = f"The {part} number of the version that the program is compiled for."
        items.append(Item("constant", found[1], found[0], text, found[2]))
    opening, rules = "", {}
    for comment in COMMENT.finditer(source):
        text = comment_text(comment[1])
        if "THE RULES" in text:
            opening, rules = split_rules(text)
            continue
        made = item(declaration_after(source[comment.end() :]), text)
        if made is not None:
            items.append(made)
    return Header(items, opening, rules)


def split_rules(text: str) -> tuple[str, dict[int, str]]:
    """The comment at the top: what stands before the rules, and the rules."""
    opening, numbered = text.split("THE RULES")
    rules = {}
    for rule in re.split(r"\n(?= *\d+\. )", numbered)[1:]:
        number, words = rule.strip().split(". ", 1)
        rules[int(number)] = re.sub(r"\s*\n\s*", " ", words)
    return opening.strip(), rules
