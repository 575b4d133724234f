"""Tables, charts and the list of goals out of what was measured: medians, and the spread over the rounds."""

import itertools
import statistics

import chart
from works import CHARTS, JUSTREDIS, RAW, SPEED

HEADINGS = {
    "ops": "ops/s",
    "p50": "p50 us",
    "p99": "p99 us",
    "cpu": "CPU us",
    "read": "ms",
    "byte": "ns/byte",
    "byte_cpu": "CPU ns/byte",
    "peak": "peak MB",
    "peak_share": "peak : reply",
    "request": "bytes each",
    "request_beyond": "beyond its own",
    "library": "library MB",
    "threads": "threads",
    "memory": "memory MB",
    "own": "its own MB",
    "connection": "KB each",
    "nodes": "nodes",
    "more_threads": "threads more",
}

# These have no spread in the tables, which are wide enough.
PERCENTILES = ("p50", "p99")


def median(run, figure, results):
    return statistics.median(run.figures(figure, results))


def shown(figure, value):
    if figure == "ops":
        return f"{value / 1000:.0f}k" if value >= 100_000 else f"{value / 1000:.1f}k"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio_of(goal, ours, results):
    """The median of the ratios within each round: what disturbs a round disturbs both."""
    pairs = zip(ours.figures(goal.figure, results), goal.peer.figures(goal.figure, results))
    return statistics.median(mine / theirs for mine, theirs in pairs)


def row_of(work, run, results):
    """The name of a run and its figures with the spread."""
    return [run.name] + [cell_of(run, figure, results) for figure in work.figures]


def cell_of(run, figure, results):
    value, all_values = shown(figure, median(run, figure, results)), run.figures(figure, results)
    if figure in PERCENTILES:
        return value
    return f"{value} ({shown(figure, min(all_values))}..{shown(figure, max(all_values))})"


def goals_of(works, results):
    """As they are written to bench.json."""
    for work in works:
        for goal in work.goals:
            ours = goal.of or work.ours
            ratio = ratio_of(goal, ours, results)
            yield {
                "goal": work.name,
                "work": f"{work.title}: {HEADINGS[goal.figure]}, {ours.name}",
                "figure": median(ours, goal.figure, results),
                "peer": goal.peer.name,
                "peer_figure": median(goal.peer, goal.figure, results),
                "ratio": round(ratio, 3),
                "wanted": goal.wanted(),
                "met": goal.is_met(ratio),
            }


def met(goals):
    return f"{sum(goal['met'] for goal in goals)} of {len(goals)} goals are met"


def headings_of(work):
    return [HEADINGS[figure] for figure in work.figures]


def goal_cells(goal):
    verdict = "met" if goal["met"] else "not met"
    return [goal["goal"], goal["work"], f"{goal['ratio']:.2f} x {goal['peer']}", goal["wanted"], verdict]


def text(works, results):
    """What the terminal shows."""
    lines = []
    for work in works:
        rows = [row_of(work, run, results) for run in work.runs]
        lines += ["", *aligned([[f"{work.name}  {work.title}", *headings_of(work)], *rows])]
    goals = [goal_cells(goal) for goal in goals_of(works, results)]
    return "\n".join([*lines, "", "goals", *aligned(goals, left=5)])


def markdown(works, results):
    """The same for documentation: a table for each set of columns, and one of the goals."""
    lines = []
    for _, alike in itertools.groupby(works, key=lambda work: work.figures):
        alike = list(alike)
        rows = (
            [*([work.name, work.title] if run is work.ours else ["", ""]), *row_of(work, run, results)]
            for work in alike
            for run in work.runs
        )
        lines += [*table(["", "work", "who", *headings_of(alike[0])], rows), ""]
    goals = (goal_cells(goal) for goal in goals_of(works, results))
    return "\n".join(lines + table(["goal", "work", "ratio", "wanted", ""], goals))


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def aligned(rows, left=1):
    widths = [max(map(len, column)) for column in zip(*rows)]
    cells = lambda row: (
        cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))
    )
    return ["  ".join(cells(row)).rstrip() for row in rows]


def charts(works, results):
    """The charts: file name and SVG."""
    for wanted in CHARTS:
        groups = [
            (f"{work.name}  {work.title}", [bar_of(work, run, results) for run in work.runs])
            for work in works
            if work.name in wanted.works and work.figures == SPEED
        ]
        yield f"{wanted.file}.svg", chart.draw(wanted.title, NOTE, PANELS, groups)


PANELS = ("operations a second: more is better", "CPU of the client, us an operation: less is better")
NOTE = "Each group has its own scale; 0.5 x is half of the figure of justredis at its top."


def bar_of(work, run, results):
    lengths, labels = [], []
    for figure in ("ops", "cpu"):
        value = median(run, figure, results)
        ratio = value / median(work.ours, figure, results)
        lengths.append(value)
        labels.append(shown(figure, value) + ("" if run is work.ours else f"   {ratio:.2f} x"))
    kind = {JUSTREDIS: "ours", RAW: "floor"}.get(run.program, "peer")
    return chart.Bar(run.name, kind, lengths, labels)
