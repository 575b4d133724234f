"""Pages of Markdown as HTML: headings with the anchors of GitHub, links that lead to pages of the site, tables that
scroll inside themselves, code in colours, programs with the name of their file."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from . import code, programs, prose
from .tree import ROOT

# In a guide each block of these is from a file that the tests run.
PROGRAMS = {"c", "cpp", "python", "js", "ts", "go", "ruby"}


@dataclass
class Text:
    """`headings`: level, anchor and words of each, the title included."""

    title: str
    html: str
    headings: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass
class Surroundings:
    """What a page of Markdown is rendered in: its file, where links lead, and where names of the API do."""

    file: Path
    link: Callable[[str], str]
    find: code.Find


def slug(words: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def render(text: str, around: Surroundings) -> Text:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    headings = give_anchors(tokens)
    mark_programs(tokens, around)
    for token in tokens:
        if token.type == "inline":
            token.children = inline(token.children or [], around)
    wrap_tables(tokens)
    html = parser.renderer.render(tokens, parser.options, {})
    title = next((words for level, _, words in headings if level == 1), around.file.stem)
    return Text(title, html, headings)


def give_anchors(tokens: list[Token]) -> list[tuple[int, str, str]]:
    headings, seen = [], {}
    for token, inside in zip(tokens, tokens[1:]):
        if token.type != "heading_open":
            continue
        words = "".join(child.content for child in inside.children or [])
        anchor = slug(words)
        seen[anchor] = seen.get(anchor, -1) + 1
        anchor += f"-{seen[anchor]}" if seen[anchor] else ""
        token.attrSet("id", anchor)
        headings.append((int(token.tag[1]), anchor, words))
    return headings


def mark_programs(tokens: list[Token], around: Surroundings) -> None:
    """Blocks of code in colours; a comment before one that names its file becomes a line above it."""
    source = None
    for token in tokens:
        if token.type == "html_block":
            source = programs.source_of(token.content, around.file)
            token.content = ""
        elif token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else "console"
            if source is None and language in PROGRAMS and around.file.parent == ROOT / "docs":
                raise SystemExit(
                    f"docs: {around.file.name} shows a program without the name of its file:\n{token.content}"
                )
            html = code.block(token.content, language or "text", around.find)
            if source is not None:
                html = program(html, token.content, source, around)
            token.type, token.content, source = "html_block", html, None
        else:
            source = None


def program(html: str, shown: str, source: Path, around: Surroundings) -> str:
    name = source.relative_to(ROOT).as_posix()
    if not programs.is_from(shown, source.read_text()):
        raise SystemExit(f"docs: {around.file.relative_to(ROOT)} shows what does not stand in {name}:\n{shown}")
    to_file = around.link("/" + name)
    caption = f'<figcaption><a href="{to_file}">{name}</a></figcaption>'
    return f'<figure class="program" data-source="{name}">{caption}{html}</figure>\n'


def inline(tokens: list[Token], around: Surroundings) -> list[Token]:
    within_link = False
    for token in tokens:
        if token.type == "link_open":
            token.attrSet("href", around.link(str(token.attrGet("href"))))
            within_link = True
        elif token.type == "link_close":
            within_link = False
        elif token.type == "image":
            token.attrSet("src", around.link(str(token.attrGet("src"))))
            wrap_image(token)
        elif token.type == "code_inline":
            html = f"<code>{escape(token.content, quote=False)}</code>"
            token.type = "html_inline"
            token.content = html if within_link else prose.code(token.content, around.find)
        elif token.type == "html_inline" and token.content.startswith("<!--"):
            token.content = ""
    return tokens


def wrap_image(token: Token) -> None:
    """A picture is wider than a phone: it scrolls, as tables do, rather than becoming too small to read."""
    alt = escape("".join(child.content for child in token.children or []))
    src = escape(str(token.attrGet("src")))
    token.type = "html_inline"
    token.content = f'<span class="scroll picture" tabindex="0"><img src="{src}" alt="{alt}"></span>'


def wrap_tables(tokens: list[Token]) -> None:
    for place in range(len(tokens) - 1, -1, -1):
        if tokens[place].type in ("table_open", "table_close"):
            opens = tokens[place].type == "table_open"
            html = '<div class="scroll" tabindex="0">' if opens else "</div>"
            tokens.insert(place if opens else place + 1, Token("html_block", "", 0, content=html))
