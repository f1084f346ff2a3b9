"""Answers to open questions, as sentences whose every figure is computed from the rows."""

from collections.abc import Iterator, Mapping

from poolbench.function.strategies import STRATEGIES
from poolbench.model.row import Outcome
from poolbench.report import clocks
from poolbench.report.comparison import compare, noise_floor
from poolbench.report.figures.stale import after_stale
from poolbench.report.recycle import offered
from poolbench.report.render import count, interval, lost_of, milliseconds, number, percent, positive_interval
from poolbench.report.requests import Kind
from poolbench.report.settings import Setting
from poolbench.report.statistics import Estimate, rate
from poolbench.report.tradeoff import Price

Prices = Mapping[str, Price]  # by strategy


def _lost(price: Price) -> str:
    """How many first requests beyond the timeout a strategy lost, with the interval of the share."""
    beyond = price.lost_beyond
    if not beyond.n:
        return "was not tried beyond the timeout"
    return f"lost {lost_of(round(beyond.value * beyond.n), beyond.n)} [{interval(beyond, percent)}]"


def _at(label: str) -> str:
    """A strategy's pool_recycle, in idle client timeouts."""
    return f"{STRATEGIES[label].recycle:g}"


def _commands(each: float) -> str:
    return "1 command" if count(each) == "1" else f"{count(each)} commands"


def _ms(estimate: Estimate) -> str:
    return f"{milliseconds(estimate.value)} ms [{positive_interval(estimate, milliseconds)}]"


def _steady(price: Price) -> str:
    return f"{_commands(price.wire_steady)} and {_ms(price.steady.median)} at p50"


def _beyond(price: Price) -> str:
    return f"{_commands(price.wire_beyond)} and {_ms(price.beyond.median)} at p50"


def frozen(setting: Setting, found: Prices) -> Iterator[str]:
    """Whether recycle held, by its own rule and by the clocks it goes by."""
    recycle = found["recycle"]
    rows = offered(setting, "recycle")
    sure = rows[~rows["close"]]
    as_told = int((sure["lost"] == sure["lost_predicted"]).sum())
    apart = clocks.over_gaps(setting.rows).max()
    yield (
        f"{'Yes, here' if recycle.is_safe else 'Not always'}: of first requests beyond the timeout recycle "
        f"{_lost(recycle)}; the default pool {_lost(found['queuepool'])}."
    )
    yield (
        "The pool compares the wall clock with the time of the connect, at the next checkout and nowhere "
        f"else; by that rule {as_told} of {len(sure)} requests that were offered a pooled connection ended "
        "as they had to."
    )
    yield (
        "The rule needs a wall clock that goes on while the environment is frozen: wall and boot clock "
        f"differed by at most {milliseconds(float(apart))} ms over any gap."
    )


def near(_: Setting, found: Prices) -> Iterator[str]:
    """Recycle just below the timeout beside the ping."""
    near, early, ping = found["recycle_near"], found["recycle"], found["pre_ping"]
    yield (
        f"Of first requests beyond the timeout, a pool with pool_recycle at {_at('recycle_near')} of it "
        f"{_lost(near)}, at {_at('recycle')} {_lost(early)}, and one with pre-ping {_lost(ping)}."
    )
    yield f"A warm request took {_steady(near)} with the later recycle, and {_steady(ping)} with the ping."
    yield (
        "The recycle pays with reconnects of its own: "
        f"{count(near.connects)} connects per request with the later, {count(early.connects)} with the "
        f"earlier, {count(ping.connects)} with the ping. It saves a round trip each time, and needs somebody "
        "who keeps the number below the proxy's."
    )


def no_pool(_: Setting, found: Prices) -> Iterator[str]:
    """What connecting each time adds, and what a round trip would have to take for it to be 50 ms."""
    null, one, default = found["nullpool"], found["aws_sample"], found["queuepool"]
    added_s = null.steady.median.value - default.steady.median.value
    trips = null.wire_steady - default.wire_steady
    yield (
        f"Of first requests beyond the timeout NullPool {_lost(null)}, pool_size=1 with pre-ping, as the AWS "
        f"sample has it, {_lost(one)}."
    )
    yield (
        f"A warm request took {_steady(null)} without a pool, {_steady(one)} with the pool of one, and "
        f"{_steady(default)} with the default."
    )
    needed_s = (0.05 - added_s) / (trips + 1) if trips > 0 else float("nan")  # the TCP handshake is one more
    yield (
        f"So connecting each time added {milliseconds(added_s)} ms where a round trip costs next to nothing. "
        f"For 50 ms, each of the {count(trips)} further commands and the TCP handshake would have to take "
        f"{milliseconds(needed_s)} ms."
    )
    many = found["dispose_per_invocation"]
    yield (
        "One connect for each invocation, not for each request, is dispose_per_invocation: "
        f"{count(many.connects)} connects per request instead of {count(null.connects)}."
    )


def held(setting: Setting, found: Prices) -> Iterator[str]:
    """A connection that is never checked out again."""
    held, both = found["held"], found["recycle_pre_ping"]
    pings = setting.select(["pings", "gap_seen"], Kind.FIRST_AFTER_GAP, "held")
    beyond = pings[pings["gap_seen"] > 1]
    yield (
        "By holding on to a connection. With both options on, an application that keeps one checked out over "
        f"the gap {_lost(held)}; with a checkout for each request, the same options {_lost(both)}."
    )
    yield (
        "Both act at checkout, and where there is none they do nothing: "
        f"{int(beyond['pings'].sum())} pings were sent before those {len(beyond)} requests."
    )


def hang(setting: Setting, found: Prices) -> Iterator[str]:
    """Pings into silence."""
    first = setting.select(["label", "outcome", "gap_seen"], Kind.FIRST_AFTER_GAP)
    hung = first[(first["gap_seen"] > 1) & (first["outcome"] == Outcome.HANG)]["label"].value_counts()
    ping, limited = found["pre_ping"], found["pre_ping_read_timeout"]
    hangs = rate(int(hung.get("pre_ping", 0)), ping.lost_beyond.n)
    yield (
        f"{'Yes' if hangs.value > 0 else 'Not here'}: on a connection that went silent, pre-ping hung in "
        f"{lost_of(int(hung.get('pre_ping', 0)), hangs.n)} requests [{interval(hangs, percent)}], each until "
        "its deadline."
    )
    yield (
        f"With a read timeout in the driver it {_lost(limited)} and answered after "
        f"{_ms(limited.beyond.median)}: the timeout, and a reconnect."
    )
    recycle = found["recycle"]
    yield (
        f"recycle, which closes the old connection without a word to it, {_lost(recycle)}, in "
        f"{_ms(recycle.beyond.median)}."
    )


def late(_: Setting, found: Prices) -> Iterator[str]:
    """A recycle that comes too late, with the ping that makes up for it."""
    late, early, ping = found["aws_sample"], found["recycle_pre_ping"], found["pre_ping"]
    yield (
        f"{'It is slower, not wrong' if late.is_safe else 'It is wrong'}: with the recycle at "
        f"{_at('aws_sample')} times the timeout, and pre-ping, a pool {_lost(late)}. What it costs is a "
        f"failed ping: the first request beyond the timeout took {_beyond(late)}, and with the recycle at "
        f"{_at('recycle_pre_ping')} times the timeout {_beyond(early)}."
    )
    extra = late.wire_beyond - early.wire_beyond
    yield (
        f"That is {_commands(extra)} more; pre-ping alone takes {count(ping.wire_beyond)}, so a recycle "
        "beyond the timeout is for other limits than this one."
    )


def when_idle(_: Setting, found: Prices) -> Iterator[str]:
    """The ping that is sent only to connections that were idle."""
    idle, always, default = found["idle_ping"], found["pre_ping"], found["queuepool"]
    yield (
        "Of first requests beyond the timeout, a pool that pings only what was idle for half the timeout "
        f"{_lost(idle)}, one that pings at every checkout {_lost(always)}."
    )
    yield (
        f"A warm request took {_steady(idle)}, without a ping; with one at every checkout "
        f"{_steady(always)}, by default {_steady(default)}."
    )
    yield f"The first request beyond the timeout took {_beyond(idle)}, and {_beyond(always)}."


def rollback(setting: Setting, found: Prices) -> Iterator[str]:
    """One command less for each request."""
    auto, default, ping = found["autocommit"], found["queuepool"], found["pre_ping"]
    comparisons = compare(setting)
    compared = next(one for one in comparisons if one.label == "autocommit")
    ratio = compared.ratio
    noise = noise_floor(comparisons)
    yield (
        f"A warm request took {_steady(auto)} in AUTOCOMMIT with skip_autocommit_rollback, and "
        f"{_steady(default)} with the ROLLBACK at each return: {number(ratio.value)} times as long "
        f"[{interval(ratio, number)}], paired within rounds"
        + (
            f"; the default measured twice differs by {number(noise.value)} [{interval(noise, number)}]"
            if noise
            else ""
        )
        + (": counted, not timed, is the difference sure." if compared.within_noise else ".")
    )
    yield (
        f"It is no cure of the gap: it {_lost(auto)}. Nor does it go with transactions. What it saves, "
        f"{_commands(default.wire_steady - auto.wire_steady)}, is to be held against what a ping at each "
        f"checkout adds, {_commands(ping.wire_steady - default.wire_steady)}."
    )


def order(setting: Setting, found: Prices) -> Iterator[str]:
    """Who pays after several connections went stale together."""
    labels = ("queuepool", "lifo", "pre_ping")
    each = {label: after_stale(setting, label) for label in labels}
    lost, opened = (
        {label: number(float(each[label][what].sum()), 2) for label in labels} for what in ("lost", "opened")
    )
    yield (
        f"After each gap the default pool lost {lost['queuepool']} requests on average, the LIFO pool "
        f"{lost['lifo']}, of the several stale connections that it held: the first that fails makes the pool "
        "distrust everything that is older than the failure."
    )
    yield (
        f"What differs is who pays for new connections: over {len(each['lifo'])} requests, one after the "
        f"other, FIFO opened {opened['queuepool']} and LIFO {opened['lifo']}, as FIFO works through the rest "
        "of the old generation and LIFO comes back to the one it has just opened."
    )
    ping = found["pre_ping"]
    yield (
        f"With pre-ping {lost_of(ping.lost, ping.requests)} requests of any kind were lost, and "
        f"{opened['pre_ping']} connections opened after each gap. FIFO held "
        f"{number(found['queuepool'].held, 2)} connections open on average, LIFO "
        f"{number(found['lifo'].held, 2)}."
    )
