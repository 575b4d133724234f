"""Horizontal bars as SVG: groups of bars that are compared with each other, side by side for several figures.

The background stays transparent and the colours are of medium brightness, so that it can be read on white and on black.
"""

from dataclasses import dataclass
from html import escape

WIDTH, NAMES, MARGIN = 960, 270, 16
ROW, BAR, GAP = 20, 12, 14
# The part of a panel that a bar may fill; its label stands behind it.
FILLED = 0.6
COLOURS = {"ours": "#2f81f7", "peer": "#8b949e", "floor": "#8b949e"}
TEXT = "#768390"


@dataclass
class Bar:
    """Its kind is "ours", "peer" or "floor"; there is a length and a label for each panel."""

    name: str
    kind: str
    lengths: list
    labels: list


def draw(title, note, panels, groups):
    """`panels`: the title of each figure; `groups`: titles with their bars. Each group has its own scale."""
    width = (WIDTH - NAMES - MARGIN) / len(panels)
    places = [NAMES + index * width for index in range(len(panels))]
    top = 30
    parts = [text(MARGIN, top, title, size=16, weight=600)]
    top += 26
    parts += [text(place, top, panel, size=11) for place, panel in zip(places, panels)]
    for name, bars in groups:
        top += ROW + GAP
        parts.append(text(MARGIN, top, name, size=12, weight=600))
        longest = [max(lengths) for lengths in zip(*(bar.lengths for bar in bars))]
        for bar in bars:
            top += ROW
            parts += row(bar, top, places, [width * FILLED / most for most in longest])
    top += ROW + GAP
    parts.append(text(MARGIN, top, note, size=11))
    height = top + MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    style = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
    return "\n".join([f'{head} {style} role="img">', f"<title>{escape(title)}</title>", *parts, "</svg>", ""])


def row(bar, top, places, scales):
    weight = 600 if bar.kind == "ours" else 400
    yield text(NAMES - 12, top, bar.name, size=12, weight=weight, anchor="end")
    for place, scale, length, label in zip(places, scales, bar.lengths, bar.labels):
        size = max(1, length * scale)
        yield rectangle(place, top - BAR + 2, size, bar.kind)
        yield text(place + size + 6, top, label, size=11, weight=weight)


def rectangle(x, y, width, kind):
    colour = COLOURS[kind]
    fill = f'fill="{colour}"' if kind != "floor" else f'fill="none" stroke="{colour}"'
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" {fill}/>'


def text(x, y, words, size, weight=400, anchor="start"):
    return (
        f'<text x="{x:.1f}" y="{y}" fill="{TEXT}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" xml:space="preserve">{escape(words)}</text>'
    )
