"""Source code as HTML: coloured at build time by Pygments, names of the API linked to where they are explained."""

import re
from collections.abc import Callable
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# What a name leads to, or None.
Find = Callable[[str], str | None]

FORMATTER = HtmlFormatter(nowrap=True, classprefix="h-")
LEXERS = {"js": "javascript", "mjs": "javascript", "cjs": "javascript", "ts": "typescript", "h": "c", "hpp": "cpp"}
LEXERS |= {"py": "python", "rb": "ruby", "sh": "bash"}
NAME = re.compile(r"\b(?:jr|JR)_\w+\b")


def coloured(text: str, language: str, find: Find = lambda name: None) -> str:
    """The inside of a <code>."""
    try:
        lexer = get_lexer_by_name(LEXERS.get(language, language) or "text", stripnl=False)
    except ClassNotFound:
        return escape(text)
    return linked(highlight(text, lexer, FORMATTER), find)


def block(text: str, language: str, find: Find = lambda name: None) -> str:
    # Whoever has no mouse scrolls it with the keyboard: hence the tabindex.
    return f'<pre tabindex="0"><code>{coloured(text, language, find)}</code></pre>'


def linked(html: str, find: Find) -> str:
    """HTML without links, with one around each name that leads somewhere."""

    def link(found: re.Match) -> str:
        target = find(found[0])
        return f'<a href="{target}">{found[0]}</a>' if target else found[0]

    # Names within tags have no place there; classes of Pygments do not look like them.
    return NAME.sub(link, html)
