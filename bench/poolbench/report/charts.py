"""Which charts there are, in the order of a report, each with how to read it."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from poolbench.report.answer import Answer
from poolbench.report.figures.cliff import cliff
from poolbench.report.figures.connections import connections
from poolbench.report.figures.latency import first_latency
from poolbench.report.figures.phases import phases
from poolbench.report.figures.recycle import recycle_region
from poolbench.report.figures.timeline import timeline
from poolbench.report.figures.tradeoff import tradeoff
from poolbench.report.figures.unanswered import unanswered
from poolbench.report.figures.wire import wire
from poolbench.report.settings import Setting

Draw = Callable[[Setting, Answer], Figure | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """A kind of chart; `draw` returns None where the rows do not support it."""

    name: str  # of its file
    title: str
    reading: str
    draw: Draw


def _of_setting(draw: Callable[[Setting], Figure | None]) -> Draw:
    return lambda setting, _: draw(setting)


CHARTS = (
    Chart(
        "tradeoff",
        "The choice: what it adds, what it loses",
        "Down and left is good. What lies in the shaded band lost no request; a ring marks those of it "
        "that no other beats in latency, commands and connections at once. Bars are 95 % intervals.",
        lambda _, found: tradeoff(found),
    ),
    Chart(
        "cliff",
        "The cliff: lost requests against the idle gap",
        "Each point is the share of first requests after a gap that failed or hung, with its 95 % Wilson "
        "interval, at the idle time the connection really had; ticks below are the gaps asked for. A ring"
        " is the second half of the A/A pair. Flat at zero is good.",
        _of_setting(cliff),
    ),
    Chart(
        "timeline",
        "The failure, step by step",
        "One recorded failure of SQLAlchemy's default pool. Latencies, connections and the error are from its"
        " rows; what the proxy did is from its event log, where it keeps one (RDS Proxy does not).",
        _of_setting(timeline),
    ),
    Chart(
        "first_latency",
        "The first request after a gap, every one of them",
        "Hollow points reused a pooled connection, filled ones had to open one, crosses were lost. Read "
        "errors and latency together: a lost request is quick, and useless.",
        _of_setting(first_latency),
    ),
    Chart(
        "unanswered",
        "The tail: how many still wait",
        "The whole distribution of first requests after a gap, lost ones included: a line that runs flat "
        "to the right edge is the share that was never answered.",
        _of_setting(unanswered),
    ),
    Chart(
        "phases",
        "What a request spends its time on",
        "Medians of the phases of answered requests. Requests that reused a connection and requests that "
        "opened one are apart: they are two modes, and a figure between them describes neither. Medians of "
        "parts do not add up to the median of the whole, which the line marks.",
        _of_setting(phases),
    ),
    Chart(
        "wire",
        "Commands on the wire, and what they cost over a network",
        "Every command waits for its answer, so each is a round trip; the lines multiply. The TCP and TLS"
        " handshakes of a connect come on top.",
        lambda _, found: wire(found.prices),
    ),
    Chart(
        "connections",
        "Open connections over time",
        "What the proxy's clients hold open, by strategy, and what the database has to carry. Counted by "
        "a sampler on its own connection, which is left out.",
        _of_setting(connections),
    ),
    Chart(
        "recycle_region",
        "pool_recycle: the region in which it must fail",
        "The pool compares a connection's age, not its idle time, and only at checkout. Above the dotted "
        "line it recycles; right of the dashed one the timeout has passed; between them a "
        "request is lost.",
        _of_setting(recycle_region),
    ),
)
