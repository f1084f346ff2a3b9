"""Failed first requests by strategy, driver and failure at a glance."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.report.charts import style
from poolbench.report.metrics.failures import FailureMatrix, FirstFailures

_WIDE = 8  # scenarios that fit side by side; more get a panel for each value of the first fact
_LETTERS = 120  # that fit side by side above the columns
_ROW_IN = {True: 0.2, False: 0.3}  # height of a strategy, by whether cells are compact


@style.styled
def matrix(found: FailureMatrix) -> Figure | None:
    """Failed first requests after gaps, a column for each scenario; None for a single scenario.

    A cell counts gaps longer than the timeout, with "+" for failures after shorter ones. A failure mode that
    needs no gap is measured without longer ones: then a cell counts all gaps.
    """
    if len(found.scenarios) < 2:
        return None
    compact = len(found.scenarios) > _WIDE and len(found.names) > 1
    own, labels = found.names[compact:], found.labels[::-1]
    groups: dict[str, list[tuple[str, Mapping[str, FirstFailures]]]] = {}
    for facts, cells in found.scenarios:
        head = "\n".join(str(facts[name]) for name in own)
        groups.setdefault(str(facts[found.names[0]]) if compact else "", []).append((head, cells))
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    height_in = lines * (1.3 + _ROW_IN[compact] * len(labels)) + 0.3
    figure = Figure(figsize=(style.WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for axis in axes[len(groups) :]:
        axis.set_axis_off()
    for axis, (title, members) in zip(axes, groups.items(), strict=False):
        for column, (_, cells) in enumerate(members):
            _column(axis, column, cells, labels, compact=compact)
        heads = [head for head, _ in members]
        crowded = compact or len(members) * max(map(len, heads)) > _LETTERS
        slanted = {"rotation": 38, "ha": "left", "rotation_mode": "anchor"} if crowded else {}
        axis.set_xticks(range(len(members)), heads, **slanted)
        axis.set_yticks(range(len(labels)), map(style.name_of, labels))
        axis.set(xlim=(-0.5, len(members) - 0.5), ylim=(-0.5, len(labels) - 0.5))
        axis.grid(visible=False)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.set_title(title)
    shown = [cells[label] for _, cells in found.scenarios for label in labels if label in cells]
    early = "+: after shorter gaps; " if any(one.early_failed for one in shown) else ""
    empty = "empty: none; - : not measured; " if compact else ""
    figure.supxlabel(f"{', '.join(own)}   (failed of sent; {early}{empty}fewer is better)")
    return figure


def _column(
    axis: Axes, column: int, cells: Mapping[str, FirstFailures], labels: Sequence[str], *, compact: bool
) -> None:
    for place, label in enumerate(labels):
        if label in cells:
            _cell(axis, column, place, cells[label], compact=compact)
        else:
            axis.text(column, place, "-", ha="center", va="center", color=style.MUTED)


def _cell(axis: Axes, column: int, place: int, found: FirstFailures, *, compact: bool) -> None:
    color = style.BLUE if found.hung else style.RED
    share = found.failed / found.n or 0.4 * (found.early_failed > 0)
    axis.barh(place, 1, 1, column - 0.5, color=color, alpha=0.7 * share, edgecolor=style.GRID, linewidth=0.6)
    counted = "" if compact and not found.failed else f"{found.failed}/{found.n}"
    codes = "" if compact else ", ".join(map(str, found.codes))
    before = f"+{found.early_failed}/{found.early_n}" if found.early_failed else ""
    words = [counted, "hang" if found.hung else "", codes, before]
    text = (" " if compact else "\n").join(word for word in words if word)
    weight = "bold" if found.failed or found.early_failed else "normal"
    look: dict[str, Any] = {"ha": "center", "va": "center", "color": style.INK, "fontweight": weight}
    axis.text(column, place, text, fontsize=5.5 if compact else 7, **look)
