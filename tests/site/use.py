"""Uses the pages as a reader does: the switch, the search, the list of pages on a phone, the tabs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from browser import Browser

SEARCH = """
(async function (words) {
  const input = document.getElementById("search");
  input.value = words;
  input.dispatchEvent(new Event("input"));
  for (let turn = 0; turn < 1200 && document.getElementById("results").hidden; turn++)
    await new Promise(function (done) { setTimeout(done, 25); });
  return Array.from(document.querySelectorAll("#results a"), function (link) { return link.getAttribute("href"); });
})
"""


def all_of(browser: Browser, folder: Path) -> Iterator[tuple[str, object]]:
    """What was tried, and whether it works."""
    yield from switch(browser, folder)
    yield from search(browser, folder)
    yield from phone(browser, folder)
    yield from tabs(browser, folder)


def paper(browser: Browser) -> str:
    return browser.run("getComputedStyle(document.body).backgroundColor")


def switch(browser: Browser, folder: Path) -> Iterator[tuple[str, object]]:
    page = (folder / "index.html").as_uri()
    papers = {}
    for scheme in ("light", "dark"):
        browser.look(1280, 900, scheme)
        browser.open(page)
        papers[scheme] = paper(browser)
    yield "what the system prefers decides", papers["light"] != papers["dark"]
    browser.run("document.querySelector('.theme').click()")
    yield "the switch makes it light", paper(browser) == papers["light"]
    browser.open((folder / "c/requests.html").as_uri())
    yield "the next page is as the switch says", paper(browser) == papers["light"]
    browser.run("localStorage.clear()")


def search(browser: Browser, folder: Path) -> Iterator[tuple[str, object]]:
    browser.open((folder / "guides/overview.html").as_uri())
    for words, target in [
        ("jr_execute", "../c/requests.html#jr_execute"),
        ("command_timeout", "../c/options.html#command_timeout"),
        ("lost lease", "../c/"),
    ]:
        found = browser.run(f"({SEARCH})({words!r})")
        yield f"the search finds {words}", found and any(link.startswith(target) for link in found[:3])
    yield "the search finds no nonsense", browser.run(f"({SEARCH})('qqzzqq')") == []


def phone(browser: Browser, folder: Path) -> Iterator[tuple[str, object]]:
    browser.look(390, 844, "light")
    browser.open((folder / "c/index.html").as_uri())
    shown = "getComputedStyle(document.getElementById('pages')).display !== 'none'"
    yield "a phone does not begin with the list of pages", not browser.run(shown)
    browser.run("document.querySelector('.menu').click()")
    yield "the button shows the list of pages", browser.run(shown)
    browser.run("document.querySelector('.menu').click()")
    yield "and takes it away", not browser.run(shown)


def tabs(browser: Browser, folder: Path) -> Iterator[tuple[str, object]]:
    browser.open((folder / "index.html").as_uri())
    shown = "document.querySelectorAll('[role=tabpanel]:not([hidden])').length"
    last = "Array.from(document.querySelectorAll('[role=tab]')).pop()"
    browser.run(f"{last}.click()")
    visible = f"!document.getElementById({last}.getAttribute('aria-controls')).hidden"
    yield "one program is shown, that of the tab", browser.run(shown) == 1 and browser.run(visible)
