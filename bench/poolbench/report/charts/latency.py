"""Latency of the first request after a gap: every single one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from poolbench.report.charts import style
from poolbench.report.metrics.latency import FirstRequests, Requests, first_requests

_NAMES_ABREAST = 14  # characters of gaps below a panel; more are set upright


@style.styled
def first_latency(labels: Sequence[str], found: FirstRequests) -> Figure:
    """Every point for each strategy and gap, with medians apart for reused and opened connections."""
    figure, axes = style.panels(len(labels), columns=4, height_in=1.85, sharex=True, sharey=True)
    many = sum(len(one.latency) for one in found.requests.values()) > style.VECTOR_POINTS
    gaps = found.gaps
    for axis, label in zip(axes, labels, strict=True):
        axis.axhline(found.reference_median, color=style.MUTED, linewidth=0.8, linestyle=style.DOTTED)
        for place, gap in enumerate(gaps):
            if requests := found.requests.get((label, gap)):
                _strip(axis, place, requests, style.look_of(label).color, rasterized=many)
        style.limit_line(axis, sum(gap <= 1 for gap in gaps) - 0.5)
        axis.set_title(style.name_of(label))
    axes[0].set_yscale("log")
    style.logarithmic(axes[0].yaxis)
    names = [f"{gap:g}" for gap in gaps]
    for axis in axes:
        axis.set_xticks(range(len(gaps)), names, rotation=90 if len("".join(names)) > _NAMES_ABREAST else 0)
    style.legend_above(figure, _legend(labels[0]), handletextpad=0.4)
    figure.supxlabel("gap asked for ÷ idle client timeout   (dashed: the timeout)")
    figure.supylabel("latency, ms, log scale   (lower is better)")
    return figure


def _strip(axis: Axes, place: int, requests: Requests, color: str, *, rasterized: bool) -> None:
    latency, failed, opened = requests.latency, requests.failed, requests.opened
    x = place + np.random.default_rng(place).uniform(-0.3, 0.3, len(latency))
    common: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.75, "rasterized": rasterized}
    for chosen, median, face in (
        (~failed & ~opened, requests.reused_median, "none"),
        (~failed & opened, requests.opened_median, color),
    ):
        axis.scatter(x[chosen], latency[chosen], s=9, edgecolors=color, facecolors=face, **common)
        if chosen.any():
            axis.hlines(median, place - 0.42, place + 0.42, color=style.INK, linewidth=1.3)
    axis.scatter(x[failed], latency[failed], s=14, color=style.INK, marker="x", **common)


def _legend(reference: str) -> list[Line2D]:
    return [
        style.key("reused a connection", "o", "none"),
        style.key("opened one", "o"),
        style.key("failed (time until the error)", "x"),
        Line2D([], [], color=style.INK, label="median"),
        Line2D(
            [], [], color=style.MUTED, linestyle=style.DOTTED, label=f"median of {style.name_of(reference)}"
        ),
    ]


CHART: style.ScenarioChart = style.Chart(
    "first_latency",
    "Every first request after a gap",
    "Hollow points reused a pooled connection, filled ones had to open one, crosses failed. Read errors and "
    "latency together: a failed request is quick, and useless.",
    lambda scenario, _: first_latency(scenario.labels, first_requests(scenario)),
)
