"""The failure in three steps, drawn from one that was recorded."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.model.row import Outcome
from poolbench.report.charts import style
from poolbench.report.metrics.failures import ACCEPT, BLACK_HOLE, BORROW, IDLE_CLOSE, Incident, find_incident

_ENVIRONMENT, _POOLED = "execution environment", "its pooled connection"
_PROXY, _DATABASE, _LOG = "its client at the proxy", "proxy to database", "the proxy's event log"
_LANES = {_ENVIRONMENT: 4.0, _POOLED: 3.0, _PROXY: 2.0, _DATABASE: 1.0, _LOG: 0.2}
_BEFORE, _AFTER = -0.12, 1.34  # what the chart shows, in gaps
_TOGETHER = 0.25  # of the gap: events that are closer share their names
_NAMES = {ACCEPT: "accept", BORROW: "borrow, release", IDLE_CLOSE: "idle close"}


@style.styled
def timeline(incident: Incident | None) -> Figure | None:
    """First request, silence past the timeout, second request; None if the reference did not fail there.

    What the proxy did is from its event log or, if it has none, from its settings.
    """
    if incident is None:
        return None
    figure = Figure(figsize=(style.WIDTH_IN, 3.7), layout="constrained")
    axis = figure.subplots()
    gap_s = incident.failed_s
    closed_s = incident.timeout_s if incident.closed_s is None else incident.closed_s
    old, left, right = _name(incident.before), _BEFORE * gap_s, _AFTER * gap_s
    middle_s = closed_s / 2
    _bar(axis, _ENVIRONMENT, (0, gap_s), style.MUTED, "frozen", hatch="////", text_s=middle_s)
    _bar(axis, _POOLED, (left, gap_s), style.GREEN, "in the pool, considered alive", text_s=middle_s)
    _bar(axis, _PROXY, (left, closed_s), style.GREEN, f"{old}, open", text_s=middle_s)
    _bar(axis, _PROXY, (closed_s, gap_s), style.RED, "closed", hatch="xxxx")
    database = incident.events["database"].dropna()
    lent = f"connection {database.iloc[0]:.0f} to MySQL" if len(database) else "a connection to MySQL"
    _bar(axis, _DATABASE, (left, right), style.GREEN, f"{lent}, open", text_s=middle_s)
    if incident.after is not None:
        for lane in (_POOLED, _PROXY):
            _bar(axis, lane, (gap_s, right), style.GREEN, f"{_name(incident.after)}")
        text = f"4: next request reconnects,\nanswered in {1e3 * incident.after['latency_s']:.2g} ms"
        axis.annotate(text, (gap_s, _LANES[_ENVIRONMENT]), (4, 0), textcoords="offset points", va="center")
    for times_s, text in _events_by_time(incident.events, gap_s):
        axis.plot(times_s, [_LANES[_LOG]] * len(times_s), "o", color=style.INK, markersize=4)
        place = (times_s[-1], _LANES[_LOG])
        axis.annotate(text, place, (5, 0), textcoords="offset points", va="center", fontsize=7.5)
    _steps(axis, incident, closed_s)
    if incident.events.empty:
        text = "none: the time of the close is the proxy's setting"
        axis.text(0.015 * gap_s, _LANES[_LOG], text, va="center", fontsize=7.5)
    axis.set_yticks(list(_LANES.values()), list(_LANES))
    axis.set(xlim=(left, right), ylim=(-0.2, 5.0))
    axis.set_xlabel("time since the first request was answered, s")
    axis.grid(visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    return figure


def _steps(axis: Axes, incident: Incident, closed_s: float) -> None:
    code, kind = incident.failed["error_code"], incident.failed["error_class"]
    error = f"failed, error {code:.0f}" if pd.notna(code) else f"failed, {kind}"
    if incident.failed["outcome"] == Outcome.HANG:
        error = f"failed after it hung for {incident.failed['latency_s']:.2g} s"
    closes = "falls silent" if incident.failed["failure"] == BLACK_HOLE else "closes its client"
    close_by = closed_s > 0.66 * incident.failed_s  # then there is room before it, and else behind it
    _step(axis, 0, f"1: a request is answered\nin {1e3 * incident.before['latency_s']:.2g} ms")
    silence = f"2: after {closed_s:.4g} s of silence\nthe proxy {closes}"
    _step(axis, closed_s, silence, before=close_by)
    idle_s = incident.failed["observed_idle_s"]
    _step(axis, incident.failed_s, f"3: request after {idle_s:.3g} s\n{error}")


def _events_by_time(events: pd.DataFrame, gap_s: float) -> Iterator[tuple[list[float], str]]:
    """When something happened at the proxy, close events together, with their names."""
    shown = events[events["kind"].isin(_NAMES) & events["at_s"].between(_BEFORE * gap_s, _AFTER * gap_s)]
    group = (shown["at_s"].diff() > _TOGETHER * gap_s).cumsum()
    for _, together in shown.groupby(group):
        names = dict.fromkeys(_NAMES[kind] for kind in together["kind"])
        yield together["at_s"].tolist(), "\n".join(names)


def _bar(
    axis: Axes, lane: str, span: tuple[float, float], color: str, text: str, *, hatch: str = "", **at: float
) -> None:
    """Draw a bar with a text in its middle, or at `text_s`."""
    left, right = span
    edge = style.INK if hatch else style.MUTED
    look: dict[str, Any] = {"color": color, "hatch": hatch, "edgecolor": edge, "linewidth": 0, "alpha": 0.4}
    axis.barh(_LANES[lane], right - left, 0.42, left, **look)
    text_s = at.get("text_s", (left + right) / 2)
    axis.text(text_s, _LANES[lane], text, ha="center", va="center", fontsize=8)


def _step(axis: Axes, at_s: float, text: str, *, before: bool = False) -> None:
    axis.axvline(at_s, color=style.INK, linewidth=0.9, linestyle=style.DASHED, zorder=0)
    side, shift = ("right", -4) if before else ("left", 4)
    top = (at_s, _LANES[_ENVIRONMENT] + 0.4)
    axis.annotate(text, top, (shift, 0), textcoords="offset points", ha=side, va="bottom")


def _name(row: pd.Series) -> str:
    identity = row["connection_id"]
    return f"connection {identity:.0f}" if pd.notna(identity) else "the connection"


CHART: style.ScenarioChart = style.Chart(
    "timeline",
    "The failure, step by step",
    "One recorded failure of SQLAlchemy's default pool. Latencies, connections and the error are from its "
    "rows; what the proxy did is from its event log, if it has one (RDS Proxy does not).",
    lambda scenario, _: timeline(find_incident(scenario)),
)
