"""The failure in three steps, drawn from one that was recorded."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poolbench.model.row import Outcome
from poolbench.report.settings import Setting
from poolbench.report.story import Story, find_story
from poolbench.report.style import GREEN, INK, MUTED, RED, WIDTH_IN, styled

_ENVIRONMENT, _POOLED = "execution environment", "its pooled connection"
_PROXY, _DATABASE, _LOG = "the proxy's side of it", "proxy to database", "the proxy's event log"
_LANES = {_ENVIRONMENT: 4.0, _POOLED: 3.0, _PROXY: 2.0, _DATABASE: 1.0, _LOG: 0.2}
_BEFORE, _AFTER = -0.12, 1.34  # what the chart shows, in gaps
_TOGETHER = 0.25  # of the gap: events that are closer share their names
_SILENT = "black_hole"  # of `poolbench.campaign.failures`
_NAMES = {"accept": "accept", "borrow": "borrow, release", "idle_close": "idle close"}


@styled
def timeline(setting: Setting) -> Figure | None:
    """First access, silence past the timeout, second access; None if the reference lost nothing there.

    What the proxy did is drawn from its event log, or, where it keeps none, from its setting.
    """
    story = find_story(setting)
    if story is None:
        return None
    figure = Figure(figsize=(WIDTH_IN, 3.7), layout="constrained")
    axis = figure.subplots()
    gap_s, closed_s = story.lost_s, story.timeout_s if story.closed_s is None else story.closed_s
    old, left, right = _name(story.before), _BEFORE * story.lost_s, _AFTER * story.lost_s
    _bar(axis, _ENVIRONMENT, (0, gap_s), MUTED, "frozen", hatch="////", text_s=closed_s / 2)
    _bar(axis, _POOLED, (left, gap_s), GREEN, "lies in the pool, believed good", text_s=closed_s / 2)
    _bar(axis, _PROXY, (left, closed_s), GREEN, f"{old}, open", text_s=closed_s / 2)
    _bar(axis, _PROXY, (closed_s, gap_s), RED, "closed", hatch="xxxx")
    database = story.events["database"].dropna()
    lent = f"connection {database.iloc[0]:.0f} to MySQL" if len(database) else "a connection to MySQL"
    _bar(axis, _DATABASE, (left, right), GREEN, f"{lent}, open", text_s=closed_s / 2)
    if story.after is not None:
        for lane in (_POOLED, _PROXY):
            _bar(axis, lane, (gap_s, right), GREEN, f"{_name(story.after)}")
        text = f"4: next request reconnects,\nanswered in {1e3 * story.after['latency_s']:.2g} ms"
        axis.annotate(text, (gap_s, _LANES[_ENVIRONMENT]), (4, 0), textcoords="offset points", va="center")
    for times_s, text in _told(story.events, gap_s):
        axis.plot(times_s, [_LANES[_LOG]] * len(times_s), linestyle="", marker="o", color=INK, markersize=4)
        place = (times_s[-1], _LANES[_LOG])
        axis.annotate(text, place, (5, 0), textcoords="offset points", va="center", fontsize=7.5)
    _steps(axis, story, closed_s)
    if story.events.empty:
        text = "none: that it closed its side then is its setting"
        axis.text(0.015 * gap_s, _LANES[_LOG], text, va="center", fontsize=7.5)
    axis.set_yticks(list(_LANES.values()), list(_LANES))
    axis.set(xlim=(left, right), ylim=(-0.2, 5.0))
    axis.set_xlabel("time since the first access was answered, s")
    axis.grid(visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    return figure


def _steps(axis: Axes, story: Story, closed_s: float) -> None:
    code, kind = story.lost["error_code"], story.lost["error_class"]
    error = f"error {code:.0f}" if pd.notna(code) else str(kind)
    if story.lost["outcome"] == Outcome.HANG:
        error = f"after it hung for {story.lost['latency_s']:.2g} s"
    closes = "falls silent" if story.lost["failure"] == _SILENT else "closes its client"
    close_by = closed_s > 0.66 * story.lost_s  # then there is room before it, and else behind it
    _step(axis, 0, f"1: an access is answered\nin {1e3 * story.before['latency_s']:.2g} ms")
    silence = f"2: after {closed_s:.4g} s of silence\nthe proxy {closes}"
    _step(axis, closed_s, silence, before=close_by)
    _step(axis, story.lost_s, f"3: access after {story.lost['gap_seen_s']:.3g} s\nlost, {error}")


def _told(events: pd.DataFrame, gap_s: float) -> Iterator[tuple[list[float], str]]:
    """When something happened at the proxy, close events together, with their names."""
    shown = events[events["kind"].isin(_NAMES) & events["at_s"].between(_BEFORE * gap_s, _AFTER * gap_s)]
    group = (shown["at_s"].diff() > _TOGETHER * gap_s).cumsum()
    for _, together in shown.groupby(group):
        names = dict.fromkeys(_NAMES[kind] for kind in together["kind"])
        yield together["at_s"].tolist(), "\n".join(names)


def _bar(
    axis: Axes,
    lane: str,
    span: tuple[float, float],
    color: str,
    text: str,
    *,
    hatch: str | None = None,
    text_s: float | None = None,
) -> None:
    place, (left, right) = _LANES[lane], span
    axis.barh(
        place,
        right - left,
        0.42,
        left,
        color=color,
        hatch=hatch,
        edgecolor=INK if hatch else MUTED,
        linewidth=0,
        alpha=0.4,
    )
    axis.text(
        (left + right) / 2 if text_s is None else text_s, place, text, ha="center", va="center", fontsize=8
    )


def _step(axis: Axes, at_s: float, text: str, *, before: bool = False) -> None:
    axis.axvline(at_s, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=0)
    side, shift = ("right", -4) if before else ("left", 4)
    axis.annotate(
        text, (at_s, _LANES[_ENVIRONMENT] + 0.4), (shift, 0), textcoords="offset points", ha=side, va="bottom"
    )


def _name(row: pd.Series) -> str:
    identity = row["connection_id"]
    return f"connection {identity:.0f}" if pd.notna(identity) else "the connection"
