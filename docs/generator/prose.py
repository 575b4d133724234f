"""The comments of the header as HTML: paragraphs, names with links, what stands in backticks as code."""

import re
from html import escape

from .code import Find, linked


def running(text: str, find: Find) -> str:
    """A paragraph, without its <p>."""
    parts = re.split(r"`([^`]+)`", re.sub(r"\s+", " ", text).strip())
    out = []
    for index, part in enumerate(parts):
        if index % 2:
            out.append(code(part, find))
        else:
            out.append(re.sub(NAMES, lambda found: code(found[0], find), escape(part, quote=False)))
    return "".join(out)


# Names of the API, and the patterns that stand for several.
NAMES = re.compile(r"\b(?:jr|JR)_[A-Za-z0-9_]+\*?")


def code(text: str, find: Find) -> str:
    target = find(text)
    inside = escape(text, quote=False)
    if target:
        return f'<a href="{target}"><code>{inside}</code></a>'
    return f"<code>{linked(inside, find)}</code>"


def paragraphs(text: str, find: Find) -> str:
    """A whole comment; what its caller has to see to stands apart."""
    html = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith("# Safety"):
            words = running(paragraph.removeprefix("# Safety"), find)
            html.append(f'<p class="note"><strong>Safety.</strong> {words}</p>')
        elif paragraph:
            html.append(f"<p>{running(paragraph, find)}</p>")
    return "\n".join(html)
