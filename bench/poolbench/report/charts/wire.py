"""Commands on the wire, and what they cost at a given round-trip time."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.report.charts import style
from poolbench.report.metrics.overhead import Overhead, by_commands
from poolbench.report.render import count

_NAMED = 3  # strategies in the legend of a line; the others can be read off the counts
RTT_MS = 5.0  # right end of the chart; within an availability zone it is well below 1


@style.styled
def wire(overheads: Sequence[Overhead]) -> Figure | None:
    """Commands per request by strategy, and their product with the round-trip time; None if not counted."""
    found = [one for one in overheads if not math.isnan(one.warm_commands)]
    if not found:
        return None
    figure = Figure(figsize=(style.WIDTH_IN, max(2.6, 0.9 + 0.27 * len(found))), layout="constrained")
    counts, warm, after = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    _counts(counts, found)
    _lines(warm, "warm", by_commands({one.label: one.warm_commands for one in found}))
    safe = {one.label: one.after_commands for one in found if one.is_safe}
    _lines(after, "first after the timeout", by_commands(safe))
    top = max(warm.get_ylim()[1], after.get_ylim()[1])
    for axis in (warm, after):
        axis.set(xlim=(0, RTT_MS), ylim=(0, top), xlabel="round-trip time, ms")
    warm.set_ylabel("ms on the wire   (less is better)")
    return figure


def _counts(axis: Axes, found: Sequence[Overhead]) -> None:
    for place, one in enumerate(reversed(found)):
        color = style.look_of(one.label).color
        axis.plot([one.warm_commands, one.after_commands], [place, place], color=color, linewidth=0.8)
        after_marker = "o" if one.is_safe else "x"
        for value, marker, face in (
            (one.warm_commands, "o", "none"),
            (one.after_commands, after_marker, color),
        ):
            axis.plot(value, place, marker, markersize=6, color=color, markerfacecolor=face)
    axis.plot([], [], "o", color=style.INK, markerfacecolor="none", label="warm")
    axis.plot([], [], "o", color=style.INK, label="first after the timeout")
    axis.plot([], [], "x", color=style.INK, label="failed")
    axis.set_yticks(range(len(found)), [style.name_of(one.label) for one in reversed(found)])
    axis.set(xlim=(0, None), xlabel="commands per request   (fewer is better)")
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=3,
        borderaxespad=0,
        columnspacing=0.8,
        handletextpad=0.1,
    )


def _lines(axis: Axes, title: str, sharing: Mapping[float, Sequence[str]]) -> None:
    """One line for each number of commands, with the strategies that need as many."""
    for number, labels in sharing.items():
        look = style.look_of(labels[0])
        more = f"\n     and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
        name = f"{count(number)}: " + ",\n     ".join(map(style.name_of, labels[:_NAMED])) + more
        axis.plot([0, RTT_MS], [0, number * RTT_MS], color=look.color, linestyle=look.line, label=name)
    axis.set_title(title)
    if sharing:
        axis.legend(loc="upper left", fontsize=7.5)


CHART: style.ScenarioChart = style.Chart(
    "wire",
    "Commands on the wire, and what they cost over a network",
    "Every command waits for its answer, so each takes a round trip; the lines multiply. The TCP and TLS "
    "handshakes of a connect are extra.",
    lambda _, found: wire(found.overheads),
)
