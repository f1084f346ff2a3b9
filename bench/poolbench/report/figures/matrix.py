"""Strategy by driver by failure: what loses requests at a glance."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.model.row import Outcome
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting, varying
from poolbench.report.style import BLUE, GRID, INK, MUTED, RED, WIDTH_IN, name_of, styled

_WIDE = 8  # settings that fit side by side; more get a panel for each value of the first fact
_LETTERS = 120  # that fit side by side above the columns
_ROW_IN = {True: 0.2, False: 0.3}  # height of a strategy, by whether cells are compact


@styled
def matrix(settings: Sequence[Setting]) -> Figure | None:
    """Lost first requests after gaps, a column for each setting; None if there is only one.

    Of gaps beyond the timeout where there are any, and then with "+" what gaps within it lost all the same;
    else, as with trouble at the moment of a request, of all.
    """
    if len(settings) < 2:
        return None
    names = varying(settings)
    compact = len(settings) > _WIDE and len(names) > 1
    groups = _grouped(settings, names[0]) if compact else {"": list(settings)}
    own = names[1:] if compact else names
    labels = list(dict.fromkeys(label for setting in settings for label in setting.strategies))[::-1]
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    figure = Figure(
        figsize=(WIDTH_IN, lines * (1.3 + _ROW_IN[compact] * len(labels)) + 0.3), layout="constrained"
    )
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for axis in axes[len(groups) :]:
        axis.set_axis_off()
    for axis, (title, members) in zip(axes, groups.items(), strict=False):
        for column, setting in enumerate(members):
            _column(axis, column, setting, labels, compact=compact)
        heads = ["\n".join(str(setting.facts[name]) for name in own) for setting in members]
        crowded = compact or len(members) * max(map(len, heads)) > _LETTERS
        slanted = {"rotation": 38, "ha": "left", "rotation_mode": "anchor"} if crowded else {}
        axis.set_xticks(range(len(members)), heads, **slanted)
        axis.set_yticks(range(len(labels)), map(name_of, labels))
        axis.set(xlim=(-0.5, len(members) - 0.5), ylim=(-0.5, len(labels) - 0.5))
        axis.grid(visible=False)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.set_title(title)
    empty = "empty: none; - : not measured; " if compact else ""
    has_early = any("+" in text.get_text() for axis in axes for text in axis.texts)
    early = "+: after shorter gaps; " if has_early else ""
    figure.supxlabel(f"{', '.join(own)}   (lost of sent; {early}{empty}fewer is better)")
    return figure


def _grouped(settings: Sequence[Setting], name: str) -> dict[str, list[Setting]]:
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(str(setting.facts[name]), []).append(setting)
    return groups


def _column(axis: Axes, column: int, setting: Setting, labels: Sequence[str], *, compact: bool) -> None:
    rows = setting.select(["label", "lost", "outcome", "error_code", "gap_seen"], Kind.FIRST_AFTER_GAP)
    beyond = rows["gap_seen"] > 1
    early = ~beyond if beyond.any() else beyond
    parts = dict(iter(rows.assign(early=early).groupby("label", observed=True)))
    for place, label in enumerate(labels):
        if label in parts and not parts[label]["early"].all():
            _cell(axis, column, place, parts[label], compact=compact)
        else:
            axis.text(column, place, "-", ha="center", va="center", color=MUTED)


def _cell(axis: Axes, column: int, place: int, rows: pd.DataFrame, *, compact: bool) -> None:
    early, rows = rows[rows["early"]], rows[~rows["early"]]
    lost, lost_early = rows[rows["lost"]], int(early["lost"].sum())
    hung = bool((rows["outcome"] == Outcome.HANG).any())
    color, share = BLUE if hung else RED, len(lost) / len(rows) or 0.4 * (lost_early > 0)
    axis.barh(place, 1, 1, column - 0.5, color=color, alpha=0.7 * share, edgecolor=GRID, linewidth=0.6)
    counted = "" if compact and lost.empty else f"{len(lost)}/{len(rows)}"
    codes = [] if compact else [f"{code:.0f}" for code in sorted(lost["error_code"].dropna().unique())]
    before = f"+{lost_early}/{len(early)}" if lost_early else ""
    words = [counted, *(["hang"] if hung else []), ", ".join(codes), before]
    text = (" " if compact else "\n").join(word for word in words if word)
    weight = "bold" if len(lost) or lost_early else "normal"
    size = 5.5 if compact else 7
    axis.text(column, place, text, ha="center", va="center", fontsize=size, color=INK, fontweight=weight)
