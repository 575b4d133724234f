"""A page around what it says: the bar at the top, the list of pages, the headings of this one, and what comes next."""

from html import escape

from .site import Page, relative
from .tree import version

SUN = (
    '<path d="M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4m0-12.8L17 7M7 17l-1.4 1.4"/>'
    '<circle cx="12" cy="12" r="4"/>'
)
LENS = '<circle cx="11" cy="11" r="6"/><path d="m20 20-4.5-4.5"/>'
BARS = '<path d="M4 7h16M4 12h16M4 17h16"/>'


def icon(shape: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true">{shape}</svg>'


def page_html(page: Page, pages: list[Page]) -> str:
    def to(url: str) -> str:
        return relative(url, page.url)

    title = "justredis" if page.url == "index.html" else f"{page.title} - justredis"
    kind = "home" if page.url == "index.html" else "text"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="{to("assets/icon.svg")}">
<link rel="stylesheet" href="{to("assets/style.css")}">
<script src="{to("assets/theme.js")}"></script>
</head>
<body class="{kind}" data-root="{to("index.html").removesuffix("index.html")}">
<a class="skip" href="#content">To the text</a>
<header class="bar">
<button class="menu" aria-label="Pages" aria-expanded="false" aria-controls="pages">{icon(BARS)}</button>
<a class="brand" href="{to("index.html")}">just<b>redis</b></a><span class="version">{version()}</span>
<div class="search" role="search">{icon(LENS)}<input id="search" type="search" placeholder="Search" aria-label="Search"
autocomplete="off" spellcheck="false"><kbd>/</kbd><div id="results" hidden></div></div>
<button class="theme" aria-label="Light or dark">{icon(SUN)}</button>
</header>
<div class="columns">
<nav id="pages" aria-label="Pages">
{navigation(page, pages)}
</nav>
<main id="content">
{page.body}
{beside(page, pages)}
</main>
{headings(page)}
</div>
<script src="{to("assets/site.js")}"></script>
</body>
</html>
"""


def navigation(page: Page, pages: list[Page]) -> str:
    """All pages by their sections; that of this page is open, and so are the first ones."""
    out = []
    for section in dict.fromkeys(other.section for other in pages if other.section):
        members = [other for other in pages if other.section == section]
        is_open = " open" if section == page.section or section in ("Start", "Guides") else ""
        out.append(f"<details{is_open}><summary>{escape(section)}</summary><ul>")
        for other in members:
            current = ' aria-current="page"' if other.url == page.url else ""
            out.append(
                f'<li><a href="{relative(other.url, page.url)}"{current}>{escape(other.label or other.title)}</a></li>'
            )
        out.append("</ul></details>")
    return "\n".join(out)


def headings(page: Page) -> str:
    """Those of this page, for wide windows. Of many, the small ones are left out."""
    shown = [heading for heading in page.headings if heading[0] in (2, 3)]
    if len(shown) > 40:
        shown = [heading for heading in shown if heading[0] == 2]
    if len(shown) < 2:
        return '<div class="beside"></div>'
    items = "\n".join(
        f'<li class="h{level}"><a href="#{anchor}">{escape(words)}</a></li>' for level, anchor, words in shown
    )
    return f'<aside class="beside" aria-label="On this page"><p>On this page</p><ul>{items}</ul></aside>'


def beside(page: Page, pages: list[Page]) -> str:
    """The pages before and after this one."""
    listed = [other for other in pages if other.section]
    if page not in listed or page.url == "index.html":
        return ""
    place = listed.index(page)
    out = ['<nav class="next" aria-label="Next">']
    for step, word in ((-1, "Before"), (1, "Next")):
        if 0 <= place + step < len(listed):
            other = listed[place + step]
            label = f"<small>{word}</small>{escape(other.title)}"
            out.append(f'<a class="{word.lower()}-page" href="{relative(other.url, page.url)}">{label}</a>')
    return "\n".join([*out, "</nav>"])
