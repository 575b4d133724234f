"""Tables and the list of goals out of what was measured: medians, and the spread over the rounds."""

import statistics

UNITS = {"ops": "ops/s", "p50": "p50 us", "p99": "p99 us", "cpu": "CPU us"}


def median(results, figure):
    return statistics.median(result[figure] for result in results)


def spread(results, figure):
    values = [result[figure] for result in results]
    return f"{shown(figure, min(values))}..{shown(figure, max(values))}"


def shown(figure, value):
    if figure == "ops":
        return f"{value / 1000:.0f}k" if value >= 100_000 else f"{value / 1000:.1f}k"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio_of(goal, ours, results):
    """The median of the ratios within each round: what disturbs a round disturbs both."""
    pairs = zip(results[ours], results[goal.peer])
    return statistics.median(mine[goal.figure] / theirs[goal.figure] for mine, theirs in pairs)


def rows_of(work, results):
    """For each run: its name and its figures with the spread."""
    for run in work.runs:
        measured = results[run]
        yield [run.name] + [cell for figure in UNITS for cell in figures_of(measured, figure)]


def figures_of(measured, figure):
    value = shown(figure, median(measured, figure))
    return [f"{value} ({spread(measured, figure)})"] if figure in ("ops", "cpu") else [value]


def goals_of(works, results):
    """As they are written to bench.json."""
    for work in works:
        for goal in work.goals:
            ratio = ratio_of(goal, work.ours, results)
            yield {
                "goal": work.name,
                "work": f"{work.title}: {UNITS[goal.figure]}, {work.ours.name}",
                "figure": median(results[work.ours], goal.figure),
                "peer": goal.peer.name,
                "peer_figure": median(results[goal.peer], goal.figure),
                "ratio": round(ratio, 3),
                "wanted": goal.wanted(),
                "met": goal.is_met(ratio),
            }


def text(works, results):
    """What the terminal shows."""
    lines = []
    for work in works:
        rows = [[f"{work.name}  {work.title}", *UNITS.values()], *rows_of(work, results)]
        lines += [""] + aligned(rows)
    lines += ["", "goals"]
    goals = [
        [goal["goal"], goal["work"], f"{goal['ratio']:.2f} x {goal['peer']}", goal["wanted"], verdict(goal)]
        for goal in goals_of(works, results)
    ]
    return "\n".join(lines + aligned(goals, left=5))


def markdown(works, results):
    """The same for documentation."""
    lines = ["| | work | who | " + " | ".join(UNITS.values()) + " |", "|---|---|---|" + "---|" * len(UNITS)]
    for work in works:
        for index, row in enumerate(rows_of(work, results)):
            first = [work.name, work.title] if index == 0 else ["", ""]
            lines.append("| " + " | ".join(first + row) + " |")
    lines += ["", "| goal | work | ratio | wanted | |", "|---|---|---|---|---|"]
    for goal in goals_of(works, results):
        cells = [goal["goal"], goal["work"], f"{goal['ratio']:.2f} x {goal['peer']}", goal["wanted"], verdict(goal)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(goal):
    return "met" if goal["met"] else "not met"


def aligned(rows, left=1):
    widths = [max(map(len, column)) for column in zip(*rows)]
    cells = lambda row: (
        cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths))
    )
    return ["  ".join(cells(row)).rstrip() for row in rows]
