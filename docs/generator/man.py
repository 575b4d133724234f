"""Man pages out of the header, with nothing but Python itself: `python -m generator.man FOLDER` fills man3 and man7.

Each function, callback and struct has a page in section 3; justredis(7) has the rules, justredis_options(7) the
options.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .groups import Group, sort_into_groups
from .header import Header, Item
from .tree import ROOT, every_item, main_header, options, version

KINDS = {"callback", "type", "handle", "function", "macro"}


def escape(text: str) -> str:
    """Any text as roff: backslashes, dashes that are typed, and what would be a request at the start of a line."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def running(text: str) -> str:
    """A paragraph: names of the API in bold, what stands in backticks too. Long addresses may be broken."""
    text = escape(re.sub(r"\s+", " ", text).strip())
    text = re.sub(r"\S{40,}", lambda word: re.sub(r"([/?@,])(?=\w)", r"\1\\:", word[0]), text)
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    return re.sub(r"(?<![\w\\])((?:jr|JR)_\w+)(?!\w*\\fR)", r"\\fB\1\\fR", text)


def paragraphs(text: str) -> list[str]:
    lines = []
    for paragraph in re.split(r"\n\s*\n", text):
        if not paragraph.startswith("# Safety"):
            lines += [".PP", running(paragraph)]
            continue
        lines += [".SH SAFETY", running(paragraph.removeprefix("# Safety"))]
    return lines


def code(text: str) -> list[str]:
    return [".nf", *escape(text).split("\n"), ".fi"]


def first_sentence(item: Item) -> str:
    """What stands behind the dash of NAME, on one line."""
    text = re.sub(rf"^{item.name}\(.*?\): ", "", re.sub(r"\s+", " ", item.text))
    text = re.sub(r" \([^()]*\)", "", text)
    sentence = re.split(r"(?<=[^.])[.:;](?:\s|$)", text, maxsplit=1)[0].replace("`", "")
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def title(name: str, section: int) -> str:
    return f'.TH {escape(name)} {section} "" "justredis {version()}" "justredis"\n.nh\n.ad l'


def page(item: Item, group: Group) -> str:
    include = next((p for p in ("libuv", "libevent", "libev", "glib", "dispatch") if f"jr_{p}" in item.name), None)
    header = f"justredis/adapters/{include}.h" if include else "justredis.h"
    lines = [title(item.name, 3), ".SH NAME", f"{escape(item.name)} \\- {escape(first_sentence(item))}"]
    lines += [".SH SYNOPSIS", *code(f"#include <{header}>\n\n{item.bare_declaration()}")]
    description = paragraphs(item.text)
    lines += [".SH DESCRIPTION", *(description[1:] if description[0] == ".PP" else description)]
    if item.members:
        lines.append(".SH MEMBERS")
        for member in item.members:
            lines += [".TP", f".B {escape(member.declaration)}", running(member.text)]
    if constants := constants_for(item, group):
        lines.append(".SH CONSTANTS")
        for constant in constants:
            lines += [".TP", f'.BR {escape(constant.name)} " ({escape(constant.value)})"', running(constant.text)]
    lines += [".SH SEE ALSO", see_also(item, group)]
    return "\n".join(lines) + "\n"


def constants_for(item: Item, group: Group) -> list[Item]:
    """The constants that are explained with the type that has them."""
    homes = {
        "jr_reply": r"JR_(?!ERR_|OK|OUTCOME)\w+",
        "jr_status": r"JR_(OK|ERR_\w+|OUTCOME_\w+)",
        "jr_request": r"JR_(REQUEST|TIMEOUT)_\w+",
        "jr_completion": r"JR_COMPLETION_\w+",
        "jr_credentials_query": r"JR_CREDENTIALS_\w+",
        "jr_logger": r"JR_LOG_\w+",
        "jr_dispatch": r"JR_DISPATCH_\w+",
        "jr_version": r"JR_VERSION_\w+",
    }
    pattern = homes.get(item.name, "$")
    return [other for other in group.items if other.kind == "constant" and re.fullmatch(pattern, other.name)]


def see_also(item: Item, group: Group) -> str:
    others = [other.name for other in group.items if other.kind in KINDS and other.name != item.name]
    return "\n".join([f".BR {escape(name)} (3)," for name in others] + [".BR justredis (7)"])


def rules_page(header: Header, groups: list[Group]) -> str:
    lines = [title("justredis", 7), ".SH NAME"]
    lines.append("justredis \\- a client of Redis and Valkey that all threads share, every command pipelined")
    lines += [
        ".SH SYNOPSIS",
        *code("#include <justredis.h>\n\n" + "cc program.c $(pkg-config --cflags --libs justredis)"),
    ]
    lines += [".SH EXAMPLE", *code(re.sub(r"(?m)^    ", "", header.opening.split("\n\n", 1)[1]))]
    lines.append(".SH THE RULES")
    for number, rule in header.rules.items():
        lines += [f".IP {number}. 4", running(rule)]
    lines.append(".SH FUNCTIONS AND TYPES")
    for group in groups:
        names = [item.name for item in group.items if item.kind in KINDS]
        lines += [".SS " + escape(group.title), running(group.summary), ".PP"]
        lines += [f".BR {escape(name)} (3){',' if name != names[-1] else ''}" for name in names]
    lines += [".SH SEE ALSO", ".BR justredis_options (7)"]
    return "\n".join(lines) + "\n"


def options_page() -> str:
    lines = [
        title("justredis_options", 7),
        ".SH NAME",
        "justredis_options \\- the options of clients",
        ".SH DESCRIPTION",
    ]
    lines.append(
        running(
            "Set by jr_config_set, or in a URL: `redis://user:password@host:port/database?command_timeout=250ms`. "
            "A duration is such as `250ms`, `5s` or `2m`; a bare number is milliseconds."
        )
    )
    lines.append(".SH OPTIONS")
    for option in options():
        values = f"{option.value}; default: {option.default.strip('()')}".replace("`", "")
        lines += [".TP", f".B {escape(option.name)}", escape(values), ".br", running(option.meaning)]
    lines += [".SH SEE ALSO", ".BR justredis (7),", ".BR jr_config_set (3)"]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> int:
    """Fills `folder`/man3 and `folder`/man7; gives how many pages there are."""
    header, groups = main_header(), sort_into_groups(every_item())
    pages = {"man7/justredis.7": rules_page(header, groups), "man7/justredis_options.7": options_page()}
    for group in groups:
        for item in group.items:
            if item.kind in KINDS:
                pages[f"man3/{item.name}.3"] = page(item, group)
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return len(pages)


if __name__ == "__main__":
    print(f"docs: {write(Path(sys.argv[1]))} man pages of {ROOT.name} are in {sys.argv[1]}")
