"""`python tests/site FOLDER`: opens every page of the site that is in a folder, and uses what can be used on it.

No link or anchor is dead, nothing is wider than a phone, nothing complains, pictures have a text, and programs are the
files that the tests run. Links that lead elsewhere are listed, not followed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

import use
from browser import Browser

ROOT = Path(__file__).resolve().parents[2]
PHONE, DESK = (390, 844, "light"), (1280, 900, "dark")
# Pages, and code on them, that any change should bring along; fewer are a defect of the generator.
FEWEST_PAGES, FEWEST_PROGRAMS = 50, 40


class Faults:
    def __init__(self) -> None:
        self.found: list[str] = []

    def check(self, good: object, words: str) -> None:
        if not good:
            self.found.append(words)
            print(f"site: {words}")


def look_at_pages(browser: Browser, folder: Path, faults: Faults) -> tuple[dict[str, dict], int]:
    """Each page on a phone and at a desk; gives what each says of itself, and how many programs are shown."""
    script = (Path(__file__).parent / "page.js").read_text()
    pages, programs = {}, 0
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        browser.problems.clear()
        browser.open(path.as_uri())
        for look in (PHONE, DESK):
            browser.look(*look)
            said = browser.run(script)
            at = f"{name}, {look[0]} pixels wide"
            faults.check(said["overflow"] <= 0, f"{at}: {said['overflow']} pixels too wide: {said['stickingOut']}")
            faults.check(not said["stickingOut"], f"{at}: sticks out: {said['stickingOut']}")
        for problem in browser.problems:
            faults.check(False, f"{name}: {problem}")
        faults.check(said["firstHeadings"] == 1, f"{name}: {said['firstHeadings']} first headings")
        faults.check(said["title"], f"{name}: no title")
        faults.check(not said["withoutAlt"], f"{name}: no text for {said['withoutAlt']}")
        faults.check(not said["broken"], f"{name}: no picture at {said['broken']}")
        twice = {it for it in said["ids"] if said["ids"].count(it) > 1}
        faults.check(not twice, f"{name}: anchors that stand there twice: {twice}")
        for source, shown, is_all in said["programs"]:
            programs += 1
            faults.check(is_from(shown, (ROOT / source).read_text(), is_all), f"{name}: not what is in {source}")
        pages[path.as_uri()] = said
    return pages, programs


def is_from(shown: str, file: str, is_all: bool) -> bool:
    """Whether what a page shows is a file, or consists of pieces of it, each between empty lines."""
    if is_all or shown == file:
        return shown.strip("\n") == file.strip("\n")
    return all(piece.strip("\n") in file for piece in re.split(r"\n\n", shown))


def check_links(pages: dict[str, dict], folder: Path, faults: Faults) -> set[str]:
    """All that lead somewhere on the site; gives the others."""
    elsewhere = set()
    for page, said in pages.items():
        for link in set(said["links"]):
            target, _, anchor = link.partition("#")
            if not target.startswith(folder.as_uri()):
                elsewhere.add(target)
                continue
            name = page.removeprefix(folder.as_uri() + "/")
            faults.check(target in pages, f"{name}: leads to {target}, which is not there")
            if anchor and target in pages:
                faults.check(unquote(anchor) in pages[target]["ids"], f"{name}: there is no {link}")
    for link in sorted(elsewhere):
        scheme = link.split(":")[0]
        faults.check(scheme in ("https", "http"), f"a link that leads away by {scheme}: {link}")
    return elsewhere


def main(folder: Path) -> int:
    faults = Faults()
    browser = Browser()
    try:
        pages, programs = look_at_pages(browser, folder, faults)
        elsewhere = check_links(pages, folder, faults)
        faults.check(len(pages) >= FEWEST_PAGES, f"{len(pages)} pages are too few")
        faults.check(programs >= FEWEST_PROGRAMS, f"{programs} programs are too few")
        for name, works in use.all_of(browser, folder):
            faults.check(works, f"does not work: {name}")
    finally:
        browser.close()
    for link in sorted(elsewhere):
        print(f"site: leads away, not followed: {link}")
    links = sum(len(said["links"]) for said in pages.values())
    print(f"site: {len(pages)} pages, {links} links, {programs} programs, {len(faults.found)} faults")
    return 1 if faults.found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
