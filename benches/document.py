"""Writes what was measured into docs: the part of benchmarks.md between its marks, and the charts beside it."""

import report
from machine import ROOT
from works import CHARTS

DOCUMENT = ROOT / "docs/benchmarks.md"
START, END = "<!-- measured -->\n", "<!-- end of measured -->\n"


def write(works, results, hardware, versions, conditions):
    folder = DOCUMENT.parent / "charts"
    folder.mkdir(exist_ok=True)
    for name, drawing in report.charts(works, results):
        (folder / name).write_text(drawing)
    measured = [
        f"{hardware}. {versions}. {conditions[0].upper()}{conditions[1:]}.",
        "\n\n".join(f"![{chart.title}](charts/{chart.file}.svg)" for chart in CHARTS),
        report.markdown(works, results),
        f"{report.met(list(report.goals_of(works, results)))}.",
    ]
    text = DOCUMENT.read_text()
    before, after = text[: text.index(START) + len(START)], text[text.index(END) :]
    DOCUMENT.write_text("\n\n".join([before, *measured, after]).replace("\n\n\n", "\n\n"))
    print(f"bench: {DOCUMENT.relative_to(ROOT)} and its charts are written")
