"""The failure in three steps, drawn from one that was recorded."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.requests import Kind
from bench.analysis.settings import Setting
from bench.analysis.style import GREEN, INK, MUTED, RED, WIDTH_IN, styled
from bench.function.strategies import REFERENCE

_ENVIRONMENT, _POOLED, _PROXY = "execution environment", "its pooled connection", "the proxy's side of it"
_LANES = {_ENVIRONMENT: 2.0, _POOLED: 1.0, _PROXY: 0.0}
_BEFORE, _AFTER = -0.06, 1.3  # what the chart shows, in gaps


@dataclass(frozen=True, slots=True)
class Story:
    """A lost request with its neighbours in the same engine; `after` is None if it did not reconnect."""

    before: pd.Series
    lost: pd.Series
    after: pd.Series | None


@styled
def timeline(setting: Setting) -> Figure | None:
    """First access, silence past the timeout, second access; None if the reference lost nothing there."""
    story = _find(setting)
    if story is None:
        return None
    timeout_s = setting.timeout_s
    gap_s = (int(story.lost["started_wall_ns"]) - int(story.before["done_wall_ns"])) / 1e9
    figure = Figure(figsize=(WIDTH_IN, 2.9), layout="constrained")
    axis = figure.subplots()
    old, left = _name(story.before), _BEFORE * gap_s
    _bar(axis, _ENVIRONMENT, (0, gap_s), MUTED, "frozen between invocations", hatch="////")
    _bar(axis, _POOLED, (left, gap_s), GREEN, f"{old} lies in the pool, believed good")
    _bar(axis, _PROXY, (left, timeout_s), GREEN, f"{old}\nopen")
    _bar(axis, _PROXY, (timeout_s, gap_s), RED, "closed", hatch="xxxx")
    if story.after is not None:
        for lane in (_POOLED, _PROXY):
            _bar(axis, lane, (gap_s, _AFTER * gap_s), GREEN, f"{_name(story.after)}\nopen")
        text = f"4  next request reconnects,\n    answered in {1e3 * story.after['latency_s']:.2g} ms"
        axis.annotate(text, (gap_s, _LANES[_ENVIRONMENT]), (4, 0), textcoords="offset points", va="center")
    code, kind = story.lost["error_code"], story.lost["error_class"]
    error = f"error {code:.0f}" if pd.notna(code) else str(kind)
    _step(axis, 0, f"1  an access is answered\n    in {1e3 * story.before['latency_s']:.2g} ms")
    close_by = timeout_s > gap_s / 2  # then the text of the third step needs the room to the right
    _step(
        axis, timeout_s, f"2  {timeout_s:g} s of silence:\n    the proxy closes its client", before=close_by
    )
    _step(axis, gap_s, f"3  access after {story.lost['gap_seen_s']:.3g} s\n    lost, {error}")
    axis.set_yticks(list(_LANES.values()), list(_LANES))
    axis.set(xlim=(left, _AFTER * gap_s), ylim=(-0.4, 3.0))
    axis.set_xlabel("time since the first access was answered, s")
    axis.grid(visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    return figure


def _bar(
    axis: Axes, lane: str, span: tuple[float, float], color: str, text: str, *, hatch: str | None = None
) -> None:
    place, (left, right) = _LANES[lane], span
    axis.barh(
        place, right - left, 0.42, left, color=color, hatch=hatch, edgecolor=MUTED, linewidth=0, alpha=0.4
    )
    axis.text((left + right) / 2, place, text, ha="center", va="center", fontsize=8)


def _step(axis: Axes, at_s: float, text: str, *, before: bool = False) -> None:
    axis.axvline(at_s, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=0)
    side, shift = ("right", -4) if before else ("left", 4)
    axis.annotate(text, (at_s, 2.4), (shift, 0), textcoords="offset points", ha=side, va="bottom")


def _find(setting: Setting) -> Story | None:
    rows = setting.rows[setting.rows["label"] == REFERENCE].reset_index(drop=True)
    lost = rows[(rows["kind"] == Kind.FIRST_AFTER_GAP) & rows["lost"] & (rows["gap_seen"] > 1)]
    if lost.empty:
        return None
    place = int(lost["gap_seen"].to_numpy().argmax())  # where the steps lie farthest apart
    place = int(lost.index[place])
    before, story = rows.iloc[max(0, place - 1)], rows.iloc[place]
    if place == 0 or before["cell"] != story["cell"]:
        return None
    after = rows.iloc[min(place + 1, len(rows) - 1)]
    reconnected = after["kind"] == Kind.AFTER_LOSS and not after["lost"]
    return Story(before, story, after if reconnected else None)


def _name(row: pd.Series) -> str:
    identity = row["connection_id"]
    return f"connection {identity:.0f}" if pd.notna(identity) else "the connection"
