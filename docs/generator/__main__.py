"""`python -m generator FOLDER`: writes the site into a folder, which is emptied before."""

import shutil
import sys
from html import escape
from pathlib import Path

from . import bindings, code, guides, home, reference, search, template
from .site import Page, Site, begin
from .tree import ROOT

ASSETS = Path(__file__).parent / "assets"
LANGUAGES = {"txt": "text", "csv": "text"}


def main(folder: Path) -> None:
    site = begin()
    guides.announce(site)
    written = {name: guides.page_of(site, name, guides.url_of(name), section) for section, name in guides.files()}
    after_guides = [page for page in written.values() if page.section != "Inside"]
    inside = [page for page in written.values() if page.section == "Inside"]
    if "README.md" in written:
        written["README.md"].title = "Overview"
    pages = [home.page(site), *after_guides, *reference.pages(site), *bindings.pages(site), *inside]
    pages += source_pages(site)
    save(folder, site, pages)
    print(f"docs: {len(pages)} pages are in {folder}: open {folder / 'index.html'}")


def source_pages(site: Site) -> list[Page]:
    """The files that pages link to; those have no links to others."""
    made = []
    for name, url in sorted(site.sources.items()):
        language = Path(name).suffix.removeprefix(".") or "text"
        html = code.block((ROOT / name).read_text(), LANGUAGES.get(language, language), site.find_from(url))
        body = f'<h1 class="file">{escape(name)}</h1>\n<div class="source" data-source="{name}">{html}</div>'
        made.append(Page(url, name, "", body))
    return made


def save(folder: Path, site: Site, pages: list[Page]) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    for page in pages:
        path = folder / page.url
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.page_html(page, pages))
    for name, url in site.pictures.items():
        (folder / url).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / url)
    shutil.copytree(ASSETS, folder / "assets")
    (folder / "assets/search-index.js").write_text(search.index(pages))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
