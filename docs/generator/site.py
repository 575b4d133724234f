"""The pages of the site: which there are, where they stand, and where links between them lead."""

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

from . import tree
from .groups import Group, sort_into_groups
from .tree import ROOT

REPOSITORY_FILES = {
    "c",
    "h",
    "cpp",
    "hpp",
    "py",
    "mjs",
    "cjs",
    "js",
    "ts",
    "go",
    "rb",
    "toml",
    "rs",
    "sh",
    "txt",
    "csv",
}


@dataclass
class Page:
    """`url` is from the root of the site. `headings` are level, anchor and words."""

    url: str
    title: str
    section: str
    body: str = ""
    headings: list[tuple[int, str, str]] = field(default_factory=list)
    summary: str = ""
    # In the list of pages, where it is not the title.
    label: str = ""


@dataclass
class Site:
    """`files`: which page a file of the tree has. `names`: where names of the API and options are explained."""

    pages: list[Page] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    # Files that pages link to or show as they are: sources as pages of their own, pictures as copies.
    sources: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)

    def find_from(self, url: str):
        """For a page: where a name of the API or an option leads, relative to it."""

        def find(name: str) -> str | None:
            target = self.names.get(name)
            if target is None or "=" in name:
                target = self.names.get(name.split("=")[0]) if "_" in name.split("=")[0] else target
            return None if target is None else relative(target, url)

        return find

    def link_from(self, url: str, file: Path):
        """For a page that is made from a file: where the links that it has as a file lead. `/name` is from the root."""

        def link(target: str) -> str:
            if re.match(r"[a-z]+:", target):
                self.outside.add(target)
                return target
            name, _, anchor = target.partition("#")
            if not name:
                return target
            path = ROOT / name[1:] if name.startswith("/") else file.parent / name
            found = self.url_of(path.resolve(), file)
            return relative(found, url) + (f"#{anchor}" if anchor else "")

        return link

    def url_of(self, path: Path, file: Path) -> str:
        """The page of a file, which is made if it is a source that has none yet."""
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        if name in self.files:
            return self.files[name]
        if path.is_dir() and f"{name}/README.md" in self.files:
            return self.files[f"{name}/README.md"]
        if path.is_dir() and (inside := sorted(path.glob("*.*"))):
            return self.url_of(inside[0], file)
        if not path.is_file():
            raise SystemExit(f"docs: {file.relative_to(ROOT)} links to {name or path}, which is not there")
        if path.suffix in (".svg", ".png"):
            self.pictures[name] = f"pictures/{name.replace('/', '-')}"
            return self.pictures[name]
        self.sources[name] = f"source/{name}.html"
        return self.sources[name]


def relative(target: str, url: str) -> str:
    """A place on the site as seen from a page; both are from the root of the site."""
    name, hash_, anchor = target.partition("#")
    if name == url and anchor:
        return f"#{anchor}"
    return posixpath.relpath(name, posixpath.dirname(url) or ".") + hash_ + anchor


def begin() -> Site:
    """A site that knows where the C API and the options are explained."""
    site = Site(groups=sort_into_groups(tree.every_item()))
    for group in site.groups:
        for item in group.items:
            site.names[item.name] = f"c/{group.key}.html#{item.name}"
    for option in tree.options():
        site.names[option.name] = f"c/options.html#{option.name}"
    for pattern, anchor in {"JR_ERR_*": "JR_OK", "JR_OUTCOME_*": "JR_OUTCOME_NOT_RUN"}.items():
        site.names[pattern] = f"c/errors.html#{anchor}"
    site.names["JR_COMPLETION_*"] = "c/completions.html#JR_COMPLETION_MORE"
    site.names["JR_REQUEST_*"] = "c/requests.html#JR_REQUEST_ATOMIC"
    # Words of everyday English are not taken for options.
    for word in ("url", "database", "tls", "zone", "password", "username", "protocol", "topology", "endpoints"):
        site.names.pop(word)
    return site
