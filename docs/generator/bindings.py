"""The pages of the bindings: the README of each, and the reference out of its sources."""

import re
from html import escape

from markdown_it import MarkdownIt

from . import code, guides, prose
from .languages import Language
from .languages.entry import Entry
from .markdown import slug
from .site import Page, Site
from .tree import ROOT


def pages(site: Site) -> list[Page]:
    made = []
    for language in guides.languages():
        readme = f"bindings/{language.key}/README.md"
        made.append(guides.page_of(site, readme, f"{language.key}/index.html", language.title, "Manual"))
        made[-1].title, made[-1].label = f"{language.title}: manual", "Manual"
        made.append(reference(site, language))
    return made


def reference(site: Site, language: Language) -> Page:
    url = f"{language.key}/reference.html"
    entries = language.entries(ROOT / "bindings" / language.key)
    if not entries:
        raise SystemExit(f"docs: nothing was found to say about bindings/{language.key}")
    find = site.find_from(url)
    body = [f"<h1>{language.title}: reference</h1>"]
    body.append(
        '<p class="lead">Out of the comments in the sources. The <a href="index.html">manual</a> comes first.</p>'
    )
    headings, taken = [], set()
    for entry in entries:
        anchor = unique(slug(entry.name), taken)
        headings.append((2, anchor, entry.name))
        body.append(f'<section class="item">\n<h2 id="{anchor}"><code>{escape(entry.name)}</code></h2>')
        body.append(inside(entry, language, find))
        for member in entry.members:
            place = unique(f"{anchor}.{slug(member.name) or 'operator'}", taken)
            body.append(f'<h3 id="{place}"><code>{escape(member.name)}</code></h3>')
            body.append(inside(member, language, find))
        body.append("</section>")
    return Page(url, f"{language.title}: reference", language.title, "\n".join(body), headings, label="Reference")


def unique(anchor: str, taken: set[str]) -> str:
    """An anchor that no other entry has: overloads are counted."""
    number, free = 2, anchor
    while free in taken:
        free, number = f"{anchor}-{number}", number + 1
    taken.add(free)
    return free


def inside(entry: Entry, language: Language, find: code.Find) -> str:
    return code.block(entry.signature + "\n", language.code, find) + "\n" + described(entry.text, language, find)


def described(text: str, language: Language, find: code.Find) -> str:
    """A comment, which is Markdown in all of these languages, or nearly so."""
    parser = MarkdownIt("commonmark", {"html": False})
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("fence", "code_block"):
            token.type, token.content = "html_block", code.block(token.content, language.code, find)
        for child in token.children or []:
            if child.type == "code_inline":
                child.type, child.content = "html_inline", prose.code(child.content, find)
            elif child.type == "link_open":
                # A link of a comment to a file of the repository has no target on the site.
                child.attrs = {}
            elif child.type == "text" and re.search(prose.NAMES, child.content):
                child.type, child.content = "html_inline", prose.running(child.content, find)
    return parser.renderer.render(tokens, parser.options, {})
