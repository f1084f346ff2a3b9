"""What all charts share: looks by hue, marker and line, on white or black; panels, legends, axes, files."""

import functools
import io
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from poolbench.function.strategies import STRATEGIES
from poolbench.report.load import Dataset
from poolbench.report.metrics.assessment import Assessment
from poolbench.report.metrics.bursts import BurstRow
from poolbench.report.scenarios import Scenario

P = ParamSpec("P")
R = TypeVar("R")

DASHED: Any = (0, (4, 2))
DOTTED: Any = (0, (1, 2))
SHIFT = 1.035  # on a logarithmic axis, between strategies, so that equal ones can be told apart
VECTOR_POINTS = 5000  # a chart with more draws them as one picture inside the chart
INK, MUTED, GRID, SHADE = "#1c1c20", "#6e6e76", "#dcdce2", "#f1eef4"
WIDTH_IN = 8.6
_SCREEN_DPI = 110
_NAME_LENGTH = max(len(label) for label in STRATEGIES)
# Okabe and Ito's palette, whose hues keep apart under every common colour blindness.
BLUE, SKY, GREEN, ORANGE, RED, PINK = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7"
# What the page sets for itself, so that it can do so otherwise in the dark.
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", SHADE: "--shade", BLUE: "--blue"}
_RC: Any = MappingProxyType(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib, so pictures are the same everywhere
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.labelsize": 8.5,
        "figure.labelsize": 8.5,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "lines.linewidth": 1.4,
        "figure.dpi": 100,
        "savefig.dpi": 160,
        "text.parse_math": False,  # a $ in somebody's name for something is a $
        "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and recoloured
        "svg.hashsalt": "poolbench",  # the same chart is the same bytes
    }
)


@dataclass(frozen=True, slots=True)
class Chart(Generic[P]):
    """A kind of chart; `draw` returns None if the rows do not support it."""

    name: str  # of its file
    title: str
    reading: str  # how to read it
    draw: Callable[P, Figure | None]


ScenarioChart = Chart[[Scenario, Assessment]]
BurstChart = Chart[[Dataset, Sequence[BurstRow]]]


@dataclass(frozen=True, slots=True)
class Look:
    """How one strategy is drawn, wherever it appears."""

    color: str
    marker: str
    line: Any  # matplotlib's linestyle
    hollow: bool = False


_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "queuepool": Look(RED, "o", "-"),
        "queuepool-twin": Look(RED, "o", (0, (1, 1)), hollow=True),
        "nullpool": Look(BLUE, "^", (0, (5, 1.5))),
        "recycle": Look(GREEN, "D", (0, (3, 1, 1, 1))),
        "recycle_late": Look(ORANGE, "s", (0, (4, 1, 1, 1, 1, 1))),
        "pre_ping": Look(PINK, "v", (0, (1, 1))),
        "recycle_pre_ping": Look(SKY, "P", (0, (2, 2))),
        "no_database": Look(MUTED, "X", (0, (1, 3))),
    }
)
_SPARE = [  # markers and lines whose numbers have no common divisor: pairs do not come again for long
    Look(color, marker, line, hollow=True)
    for color, marker, line, _ in zip(
        itertools.cycle((BLUE, GREEN, PINK, ORANGE, SKY, RED)),
        itertools.cycle("<>ph8dH*4321+"),
        itertools.cycle(("-", "--", "-.", ":", (0, (6, 1, 2, 1)))),
        range(65),
        strict=False,
    )
]
_OTHERS = {
    label: _SPARE[place % len(_SPARE)]
    for place, label in enumerate(label for label in STRATEGIES if label not in _LOOKS)
}


def look_of(label: str) -> Look:
    """Look of a strategy; a user's own gets the same look in every chart, from its name."""
    return _LOOKS.get(label) or _OTHERS.get(label) or _SPARE[sum(label.encode()) % len(_SPARE)]


def line_of(label: str) -> dict[str, Any]:
    """How `plot` and `step` draw a strategy's line."""
    look = look_of(label)
    return {"label": name_of(label), "color": look.color, "linestyle": look.line}


def name_of(label: str) -> str:
    """A strategy's name as charts have room for it; of a user's own, `package.module:function`, the end."""
    return label if len(label) <= _NAME_LENGTH else f"…{label[1 - _NAME_LENGTH :]}"


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw under this module's settings, whatever those of the process are."""

    @functools.wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(dict(_RC)):
            return function(*args, **kwargs)

    return within


def panels(count: int, *, columns: int, height_in: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """Make a grid of `count` equal panels, each `height_in` high."""
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH_IN, height_in * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, min(columns, count), squeeze=False, **shared).flatten().tolist()
    for spare in axes[count:]:
        spare.set_axis_off()
    # A shared axis keeps its labels on the last row only; above a hole in it they would be missing.
    for above in axes[max(0, count - columns) : count]:
        above.tick_params(labelbottom=True)
    return figure, axes[:count]


def limit_line(axis: Axes, at: float, *, horizontal: bool = False) -> None:
    """Draw a dashed line, as at the idle client timeout."""
    line = axis.axhline if horizontal else axis.axvline
    line(at, color=INK, linewidth=0.9, linestyle=DASHED)


def logarithmic(axis: Axis) -> None:
    """Tick a logarithmic axis at 1, 2 and 5 of each decade, with plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def concurrency_axis(axis: Axis, numbers: Sequence[int]) -> None:
    """Tick an axis of concurrent environments or threads at what was measured."""
    axis.axes.set_xscale("log", base=2)
    axis.axes.set_xticks(numbers, [str(number) for number in numbers])
    axis.set_minor_locator(NullLocator())


def key(label: str, marker: str, face: str = INK, **look: Any) -> Line2D:
    """Legend entry for a marker."""
    look = {"color": INK, "markersize": 4, **look}
    return Line2D([], [], linestyle="", label=label, marker=marker, markerfacecolor=face, **look)


def legend_above(figure: Figure, handles: Any, columns: int = 5, **spacing: Any) -> None:
    """Set one legend above all panels."""
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, **spacing)


def legend_of(figure: Figure, axis: Axes, columns: int = 5) -> None:
    """Set the legend of one panel's lines above all panels."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=columns)


@styled
def write_png(figure: Figure, path: Path) -> None:
    """Write a picture on white."""
    figure.savefig(path, facecolor="white", metadata={"Software": None})


@styled
def to_png(figure: Figure) -> bytes:
    """Render a picture on white, for a notebook."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_SCREEN_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


@styled
def to_svg(figure: Figure, name: str) -> str:
    """Render the bare element, without background, for a page that defines the colour variables.

    Args:
        figure: what to render.
        name: unique on the page; becomes part of every id, so that charts do not borrow from each other.

    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1)
    # The page has matplotlib's one rule, for all charts; in here it would apply to the whole page.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # A hundredth of a point is finer than any screen, and matplotlib's millionths are half of the bytes.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return _renamed(svg, name)


def _renamed(svg: str, name: str) -> str:
    """Number the ids by appearance: matplotlib's hash what the layout's last float digits make differ."""
    ids: dict[str, str] = {}
    for found in re.findall(r'\bid="([^"]*)"', svg):
        ids.setdefault(found, f"{name}-{len(ids)}")

    def new(match: re.Match[str]) -> str:
        return match[1] + ids.get(match[2], match[2]) + match[3]

    return re.sub(r'(\bid="|href="#|url\(#)([^")]*)(["\)])', new, svg)
