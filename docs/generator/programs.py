"""Programs on a page are those that the tests run: a comment before a block of code names the file that it is from.

`<!-- examples/c/hello.c -->`, `<!-- examples/c/epoll.c: submit, take -->` (what follows the colon is for readers, and
for the test that writes functions anew). A name is looked for beside the page first, then from the root of the tree.
"""

import re
from pathlib import Path

from .tree import ROOT

MARK = re.compile(r"<!-- ([\w/.-]+\.\w+)(?:: [^>]*)? -->\s*")


def source_of(comment: str, page: Path) -> Path | None:
    """The file that a comment names; None where it names none."""
    found = MARK.fullmatch(comment)
    if found is None:
        return None
    for folder in (page.parent, ROOT):
        if (folder / found[1]).is_file():
            return (folder / found[1]).resolve()
    raise SystemExit(f"docs: {page.relative_to(ROOT)} names {found[1]}, which is not there")


def is_from(shown: str, source: str) -> bool:
    """Whether each paragraph of what is shown stands in the source, whatever its indentation."""
    lines = [line.strip() for line in source.splitlines()]
    return all(stands_in(part.strip().splitlines(), lines) for part in re.split(r"\n\s*\n", shown) if part.strip())


def stands_in(part: list[str], lines: list[str]) -> bool:
    part = [line.strip() for line in part]
    return any(lines[start : start + len(part)] == part for start in range(len(lines) - len(part) + 1))
