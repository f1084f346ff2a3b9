"""Commands on the wire, and what they cost where a round trip takes time."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.report.render import count
from poolbench.report.style import INK, WIDTH_IN, look_of, name_of, styled
from poolbench.report.tradeoff import Price

_NAMED = 3  # strategies in the legend of a line; the others can be read off the counts
RTT_MS = 5.0  # as far as the chart goes; within an availability zone it is well below 1


@styled
def wire(prices: Sequence[Price]) -> Figure | None:
    """Commands per request by strategy, and their product with the round-trip time; None if not counted."""
    found = [price for price in prices if not math.isnan(price.wire_steady)]
    if not found:
        return None
    figure = Figure(figsize=(WIDTH_IN, max(2.6, 0.9 + 0.27 * len(found))), layout="constrained")
    counts, steady, beyond = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    _counts(counts, found)
    _lines(steady, "steady", {price.label: price.wire_steady for price in found})
    _lines(
        beyond,
        "first beyond the timeout",
        {price.label: price.wire_beyond for price in found if price.is_safe},
    )
    top = max(steady.get_ylim()[1], beyond.get_ylim()[1])
    for axis in (steady, beyond):
        axis.set(xlim=(0, RTT_MS), ylim=(0, top), xlabel="round-trip time, ms")
    steady.set_ylabel("ms on the wire   (less is better)")
    return figure


def _counts(axis: Axes, found: Sequence[Price]) -> None:
    labels = [price.label for price in found][::-1]
    for place, price in enumerate(reversed(found)):
        look = look_of(price.label)
        axis.plot([price.wire_steady, price.wire_beyond], [place, place], color=look.color, linewidth=0.8)
        for value, filled in ((price.wire_steady, False), (price.wire_beyond, True)):
            face = look.color if filled else "none"
            marker = "x" if filled and not price.is_safe else "o"
            axis.plot(value, place, marker, markersize=6, color=look.color, markerfacecolor=face)
    axis.plot([], [], "o", color=INK, markerfacecolor="none", label="steady")
    axis.plot([], [], "o", color=INK, label="first beyond the timeout")
    axis.plot([], [], "x", color=INK, label="lost")
    axis.set_yticks(range(len(labels)), map(name_of, labels))
    axis.set(xlim=(0, None), xlabel="commands per request   (fewer is better)")
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=3,
        borderaxespad=0,
        columnspacing=0.8,
        handletextpad=0.1,
    )


def _lines(axis: Axes, title: str, commands: dict[str, float]) -> None:
    """One line for each number of commands, with the names of all that need as many."""
    sharing: dict[str, list[str]] = {}
    for label, commands_each in commands.items():
        if not math.isnan(commands_each):
            sharing.setdefault(count(commands_each), []).append(label)
    for number, labels in sorted(sharing.items(), key=lambda item: -float(item[0])):
        look = look_of(labels[0])
        more = f"\n     and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
        name = f"{number}: " + ",\n     ".join(map(name_of, labels[:_NAMED])) + more
        axis.plot([0, RTT_MS], [0, float(number) * RTT_MS], color=look.color, linestyle=look.line, label=name)
    axis.set_title(title)
    if sharing:
        axis.legend(loc="upper left", fontsize=7.5)
