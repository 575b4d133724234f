"""The index of the search: each section of each page with its words. A script, as a page without a server cannot fetch
anything else."""

import json
import re
from html import unescape

from .site import Page

LONGEST = 700
HEADING = re.compile(r'<(?:h[1-4]|dt)[^>]*\bid="([^"]+)"[^>]*>(.*?)</(?:h[1-4]|dt)>', re.DOTALL)


def index(pages: list[Page]) -> str:
    sections = [section for page in pages if page.section for section in of_page(page)]
    return "window.searchIndex=" + json.dumps(sections, ensure_ascii=False, separators=(",", ":")) + ";\n"


def of_page(page: Page) -> list[list[str]]:
    """Place, title of the page, heading, and the beginning of the text of each section."""
    marks = [(0, "", "")] + [(it.end(), it[1], plain(it[2])) for it in HEADING.finditer(page.body)]
    starts = [it.start() for it in HEADING.finditer(page.body)] + [len(page.body)]
    sections = []
    for (begin, anchor, heading), end in zip(marks, starts):
        text = plain(page.body[begin:end])[:LONGEST]
        if anchor or text:
            sections.append([page.url + (f"#{anchor}" if anchor else ""), page.title, heading, text])
    return sections


def plain(html: str) -> str:
    """The words alone: without code blocks, and without what stands small beside a heading."""
    html = re.sub(r"<(pre|small)\b.*?</\1>", " ", html, flags=re.DOTALL)
    html = re.sub(r"</?(?:a|code|span|strong|em|b)\b[^>]*>", "", html)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()
