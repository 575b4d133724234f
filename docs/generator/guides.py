"""Which pages are made from Markdown, and where they stand among the others.

`<!-- needs: FOLDER -->` in a page leaves it out where there is no such folder. `<!-- include: FILE#HEADING -->` puts
the section of another page in place of the line below it, which is a link for those who read the file: so nothing is
written twice.
"""

import re
from pathlib import Path

from . import markdown
from .languages import ALL
from .site import Page, Site
from .tree import ROOT

LISTED = {
    "Start": ["README.md", "docs/packages.md"],
    "Guides": [
        "docs/outcomes.md",
        "docs/event-loops.md",
        "docs/topologies.md",
        "docs/processes.md",
        "docs/performance.md",
        "docs/benchmarks.md",
    ],
    "Coming from": ["docs/from-hiredis.md", "docs/from-redis-py.md", "docs/from-ioredis.md", "docs/from-go-redis.md"],
}
INSIDE = ["docs/architecture.md", "docs/protocol.md"]
LAST = ["CONTRIBUTING.md", "CHANGELOG.md"]
INCLUDE = re.compile(r"<!-- include: ([\w/.-]+)#([\w-]+) -->\n.*\n")


def files() -> list[tuple[str, str]]:
    """Section and file of each; pages of docs that nobody has listed are about the inside."""
    listed = [(section, name) for section, names in LISTED.items() for name in names]
    known = {name for _, name in listed} | {*INSIDE, *LAST}
    others = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name}" not in known)
    return [it for it in listed + [("Inside", name) for name in [*INSIDE, *others, *LAST]] if is_wanted(ROOT / it[1])]


def is_wanted(path: Path) -> bool:
    if not path.is_file():
        return False
    needed = re.findall(r"<!-- needs: ([\w/.-]+) -->", path.read_text())
    return all((ROOT / folder).is_dir() for folder in needed)


def url_of(name: str) -> str:
    if name == "README.md":
        return "guides/overview.html"
    return f"guides/{Path(name).stem.lower()}.html"


def languages() -> list:
    return [language for language in ALL if (ROOT / f"bindings/{language.key}/README.md").is_file()]


def announce(site: Site) -> None:
    """Tells the site which files have pages, before any link is followed."""
    for _, name in files():
        site.files[name] = url_of(name)
    for language in languages():
        site.files[f"bindings/{language.key}/README.md"] = f"{language.key}/index.html"


def page_of(site: Site, name: str, url: str, section: str, title: str = "") -> Page:
    file = ROOT / name
    text = included(re.sub(r"<!-- needs: .*? -->\n", "", file.read_text()), site, url)
    if name == "README.md":
        # The table of options is a page of its own, with room for what they mean.
        table = re.search(r"<!-- options -->.*?<!-- end of options -->", text, re.DOTALL)
        text = text.replace(table[0], "[All options](/c/options.html), with their values, defaults and meanings.")
    around = markdown.Surroundings(file, link_on(site, url, file), site.find_from(url))
    made = markdown.render(text, around)
    return Page(url, title or made.title, section, made.html, made.headings)


def link_on(site: Site, url: str, file: Path):
    """As the links of a site, and places on the site itself, such as /c/options.html."""
    from .site import relative

    link = site.link_from(url, file)
    return lambda target: relative(target[1:], url) if target.startswith("/c/") else link(target)


def included(text: str, site: Site, url: str) -> str:
    def section(found: re.Match) -> str:
        other = ROOT / found[1]
        parts = re.split(r"(?m)^(?=## )", other.read_text())
        chosen = [part for part in parts if markdown.slug(part.split("\n")[0].removeprefix("## ")) == found[2]]
        if not chosen:
            raise SystemExit(f"docs: {found[1]} has no section #{found[2]}")
        body = chosen[0].split("\n", 1)[1]
        return re.sub(r"\]\((?![a-z]+:|#|/)([^)]+)\)", lambda link: moved(link[1], other), body)

    return INCLUDE.sub(section, text)


def moved(link: str, file: Path) -> str:
    """A link of another file, from the root of the tree."""
    name, hash_, anchor = link.partition("#")
    return f"](/{(file.parent / name).resolve().relative_to(ROOT).as_posix()}{hash_}{anchor})"
