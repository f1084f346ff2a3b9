"""Questions that public threads leave open, with answers whose numbers are computed from the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from poolbench.function.strategies import STRATEGIES
from poolbench.report.charts.contest import contest
from poolbench.report.charts.recycle import recycle_region
from poolbench.report.charts.stale import stale
from poolbench.report.metrics.comparison import compare, noise_floor
from poolbench.report.metrics.disturbances import clocks_over_gaps
from poolbench.report.metrics.failures import after_stale, hangs, pings_after
from poolbench.report.metrics.latency import contenders
from poolbench.report.metrics.overhead import Overhead, overheads
from poolbench.report.metrics.recycle import recycle_checks
from poolbench.report.render import count, interval, milliseconds, number, out_of, percent, positive_interval
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Estimate

Overheads = Mapping[str, Overhead]  # by strategy


def _side_by_side(scenario: Scenario, labels: Sequence[str]) -> Figure | None:
    return contest(contenders(scenario, labels))


def _regions(scenario: Scenario, _: Sequence[str]) -> Figure | None:
    return recycle_region(recycle_checks(scenario))


def _stale(scenario: Scenario, labels: Sequence[str]) -> Figure | None:
    return stale({label: after_stale(scenario, label) for label in labels})


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how to answer it."""

    name: str  # short, unique
    asked: str  # as the threads mean it
    threads: tuple[str, ...]  # where, as owner/repository#number on GitHub
    labels: tuple[str, ...]  # strategies that the answer needs
    # the answer, from the scenario and the overheads of its strategies
    sentences: Callable[[Scenario, Overheads], Iterator[str]]
    open: str  # what data from the local lab cannot support
    campaign: str = "questions"  # of the reference results that has the data
    draw: Callable[[Scenario, Sequence[str]], Figure | None] = _side_by_side  # its chart

    def reply(self, scenario: Scenario) -> str:
        """The answer as a paragraph, or which strategies are missing for it."""
        found = {one.label: one for one in overheads(scenario)}
        missing = [label for label in self.labels if label not in found]
        if missing:
            return f"This campaign cannot tell: it did not measure {', '.join(missing)}."
        return " ".join(self.sentences(scenario, found))


def _failed(one: Overhead) -> str:
    """How many first requests after the timeout failed, with the interval of the share."""
    after = one.failed_after
    if not after.n:
        return "was not tried beyond the timeout"
    return f"lost {_counted(after)} [{interval(after, percent)}]"


def _counted(share: Estimate) -> str:
    return out_of(round(share.value * share.n), share.n)


def _at(label: str) -> str:
    """A strategy's pool_recycle, in idle client timeouts."""
    return f"{STRATEGIES[label].recycle:g}"


def _commands(each: float) -> str:
    return "1 command" if count(each) == "1" else f"{count(each)} commands"


def _ms(estimate: Estimate) -> str:
    return f"{milliseconds(estimate.value)} ms [{positive_interval(estimate, milliseconds)}]"


def _warm(one: Overhead) -> str:
    return f"{_commands(one.warm_commands)} and {_ms(one.warm.median)} at p50"


def _after(one: Overhead) -> str:
    return f"{_commands(one.after_commands)} and {_ms(one.after_timeout.median)} at p50"


def _frozen(scenario: Scenario, found: Overheads) -> Iterator[str]:
    """Whether recycle held, by its own rule and by the clocks it goes by."""
    recycle = found["recycle"]
    rule = recycle_checks(scenario)["recycle"]
    apart = clocks_over_gaps(scenario.rows).max()
    yield (
        f"{'Yes, here' if recycle.is_safe else 'Not always'}: of first requests beyond the timeout recycle "
        f"{_failed(recycle)}; the default pool {_failed(found['queuepool'])}."
    )
    yield (
        "The pool compares the wall clock with the time of the connect, at the next checkout and nowhere "
        f"else; by that rule {rule.as_predicted} of {rule.sure} requests that were offered a pooled "
        "connection ended as they had to."
    )
    yield (
        "The rule needs a wall clock that goes on while the environment is frozen: wall and boot clock "
        f"differed by at most {milliseconds(float(apart))} ms over any gap."
    )


def _near(_: Scenario, found: Overheads) -> Iterator[str]:
    """Recycle just below the timeout beside the ping."""
    near, early, ping = found["recycle_near"], found["recycle"], found["pre_ping"]
    yield (
        f"Of first requests beyond the timeout, a pool with pool_recycle at {_at('recycle_near')} of it "
        f"{_failed(near)}, at {_at('recycle')} {_failed(early)}, and one with pre-ping {_failed(ping)}."
    )
    yield f"A warm request took {_warm(near)} with the later recycle, and {_warm(ping)} with the ping."
    yield (
        "The recycle pays with reconnects of its own: "
        f"{count(near.connects)} connects per request with the later, {count(early.connects)} with the "
        f"earlier, {count(ping.connects)} with the ping. It saves a round trip each time, and needs somebody "
        "who keeps the number below the proxy's."
    )


def _no_pool(_: Scenario, found: Overheads) -> Iterator[str]:
    """What connecting each time adds, and what a round trip would have to take for it to be 50 ms."""
    null, one, default = found["nullpool"], found["aws_sample"], found["queuepool"]
    added_s = null.warm.median.value - default.warm.median.value
    trips = null.warm_commands - default.warm_commands
    yield (
        f"Of first requests beyond the timeout NullPool {_failed(null)}, pool_size=1 with pre-ping, as the "
        f"AWS sample has it, {_failed(one)}."
    )
    yield (
        f"A warm request took {_warm(null)} without a pool, {_warm(one)} with the pool of one, and "
        f"{_warm(default)} with the default."
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


def _held(scenario: Scenario, found: Overheads) -> Iterator[str]:
    """A connection that is never checked out again."""
    held, both = found["held"], found["recycle_pre_ping"]
    pings, requests = pings_after(scenario, "held")
    yield (
        "By holding on to a connection. With both options on, an application that keeps one checked out over "
        f"the gap {_failed(held)}; with a checkout for each request, the same options {_failed(both)}."
    )
    yield (
        "Both act at checkout, and where there is none they do nothing: "
        f"{pings} pings were sent before those {requests} requests."
    )


def _hang(scenario: Scenario, found: Overheads) -> Iterator[str]:
    """Pings into silence."""
    hung, limited = hangs(scenario, "pre_ping"), found["pre_ping_read_timeout"]
    yield (
        f"{'Yes' if hung.value > 0 else 'Not here'}: on a connection that went silent, pre-ping hung in "
        f"{_counted(hung)} requests [{interval(hung, percent)}], each until its deadline."
    )
    yield (
        f"With a read timeout in the driver it {_failed(limited)} and answered after "
        f"{_ms(limited.after_timeout.median)}: the timeout, and a reconnect."
    )
    recycle = found["recycle"]
    yield (
        f"recycle, which closes the old connection without a word to it, {_failed(recycle)}, in "
        f"{_ms(recycle.after_timeout.median)}."
    )


def _late(_: Scenario, found: Overheads) -> Iterator[str]:
    """A recycle that comes too late, with the ping that makes up for it."""
    late, early, ping = found["aws_sample"], found["recycle_pre_ping"], found["pre_ping"]
    yield (
        f"{'It is slower, not wrong' if late.is_safe else 'It is wrong'}: with the recycle at "
        f"{_at('aws_sample')} times the timeout, and pre-ping, a pool {_failed(late)}. What it costs is a "
        f"failed ping: the first request beyond the timeout took {_after(late)}, and with the recycle at "
        f"{_at('recycle_pre_ping')} times the timeout {_after(early)}."
    )
    extra = late.after_commands - early.after_commands
    yield (
        f"That is {_commands(extra)} more; pre-ping alone takes {count(ping.after_commands)}, so a recycle "
        "beyond the timeout is for other limits than this one."
    )


def _when_idle(_: Scenario, found: Overheads) -> Iterator[str]:
    """The ping that is sent only to connections that were idle."""
    idle, always, default = found["idle_ping"], found["pre_ping"], found["queuepool"]
    yield (
        "Of first requests beyond the timeout, a pool that pings only what was idle for half the timeout "
        f"{_failed(idle)}, one that pings at every checkout {_failed(always)}."
    )
    yield (
        f"A warm request took {_warm(idle)}, without a ping; with one at every checkout "
        f"{_warm(always)}, by default {_warm(default)}."
    )
    yield f"The first request beyond the timeout took {_after(idle)}, and {_after(always)}."


def _rollback(scenario: Scenario, found: Overheads) -> Iterator[str]:
    """One command less for each request."""
    auto, default, ping = found["autocommit"], found["queuepool"], found["pre_ping"]
    comparisons = compare(scenario)
    compared = next(one for one in comparisons if one.label == "autocommit")
    ratio = compared.ratio
    noise = noise_floor(comparisons)
    yield (
        f"A warm request took {_warm(auto)} in AUTOCOMMIT with skip_autocommit_rollback, and "
        f"{_warm(default)} with the ROLLBACK at each return: {number(ratio.value)} times as long "
        f"[{interval(ratio, number)}], paired within rounds"
        + (
            f"; the default measured twice differs by {number(noise.value)} [{interval(noise, number)}]"
            if noise
            else ""
        )
        + (": counted, not timed, is the difference sure." if compared.within_noise else ".")
    )
    yield (
        f"It is no cure of the gap: it {_failed(auto)}. Nor does it go with transactions. What it saves, "
        f"{_commands(default.warm_commands - auto.warm_commands)}, is to be held against what a ping at each "
        f"checkout adds, {_commands(ping.warm_commands - default.warm_commands)}."
    )


def _order(scenario: Scenario, found: Overheads) -> Iterator[str]:
    """Who pays after several connections went stale together."""
    labels = ("queuepool", "lifo", "pre_ping")
    each = {label: after_stale(scenario, label) for label in labels}
    failed, opened = (
        {label: number(float(each[label][what].sum()), 2) for label in labels}
        for what in ("failed", "opened")
    )
    yield (
        f"After each gap the default pool lost {failed['queuepool']} requests on average, the LIFO pool "
        f"{failed['lifo']}, of the several stale connections that it held: the first that fails makes the "
        "pool distrust everything that is older than the failure."
    )
    yield (
        f"What differs is who pays for new connections: over {len(each['lifo'])} requests, one after the "
        f"other, FIFO opened {opened['queuepool']} and LIFO {opened['lifo']}, as FIFO works through the rest "
        "of the old generation and LIFO comes back to the one it has just opened."
    )
    ping = found["pre_ping"]
    yield (
        f"With pre-ping {out_of(ping.failed, ping.requests)} requests of any kind were lost, and "
        f"{opened['pre_ping']} connections opened after each gap. FIFO held "
        f"{number(found['queuepool'].open, 2)} connections open on average, LIFO "
        f"{number(found['lifo'].open, 2)}."
    )


_CLOCK = (
    "The lab freezes by SIGSTOP: the process stops, the kernel and its clocks go on. Whether the wall clock "
    "of a microVM is right at once when it thaws, only a campaign on AWS can tell; its rows carry the three "
    "clocks that it takes."
)
_DISTANCE = "Milliseconds of a network: on one machine the commands can be counted, and only they carry over."

QUESTIONS = (
    Question(
        "frozen",
        "Does pool_recycle work in a Lambda that is frozen between invocations?",
        ("polarsource/polar#13859",),
        ("queuepool", "recycle"),
        _frozen,
        _CLOCK,
        draw=_regions,
    ),
    Question(
        "near",
        "Can pool_recycle just below the proxy's timeout replace pre-ping and its round trip?",
        ("mattrobinsonsre/terrapod#36",),
        ("recycle_near", "recycle", "pre_ping"),
        _near,
        "How close to 1,800 s one may go on AWS: there the proxy's own clock decides, and the way to it.",
    ),
    Question(
        "no_pool",
        "NullPool or pool_size=1 behind a proxy: does connecting cost 50 ms with every invoke?",
        (
            "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#9",
            "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#7",
        ),
        ("nullpool", "aws_sample", "queuepool", "dispose_per_invocation"),
        _no_pool,
        "TLS, whose handshake costs CPU and round trips of its own, on a Lambda's share of a CPU: this ran "
        "in the clear, on a whole core.",
    ),
    Question(
        "held",
        "Both options are on, and error 2013 comes all the same. How?",
        ("sqlalchemy/sqlalchemy#10327", "apache/airflow#10700"),
        ("held", "recycle_pre_ping"),
        _held,
        "Whether that is what happened to those who asked: it is one way to get there that these rows show.",
    ),
    Question(
        "hang",
        "Can pre-ping hang?",
        ("PyMySQL/PyMySQL#1169",),
        ("queuepool", "pre_ping", "pre_ping_read_timeout", "recycle"),
        _hang,
        "How often a connection goes silent on AWS instead of being closed.",
        campaign="black_hole",
    ),
    Question(
        "late",
        "Is a recycle beyond the server's timeout, together with pre-ping, wrong or merely slower?",
        ("datahub-project/datahub#18417",),
        ("aws_sample", "recycle_pre_ping", "pre_ping"),
        _late,
        _DISTANCE,
    ),
    Question(
        "when_idle",
        "Is it enough to ping a connection that was idle for a while?",
        ("transact-rs/sqlx#1743", "hasura/ndc-postgres#450"),
        ("idle_ping", "pre_ping", "queuepool"),
        _when_idle,
        "Connections that die while busy, at a failover say: a ping only when idle does not look then.",
    ),
    Question(
        "rollback",
        "What does the ROLLBACK at each return cost?",
        ("sqlalchemy/sqlalchemy#12784",),
        ("autocommit", "queuepool", "pre_ping"),
        _rollback,
        _DISTANCE,
    ),
    Question(
        "order",
        "After a whole pool went stale: FIFO or LIFO?",
        (),
        ("queuepool", "lifo", "recycle", "pre_ping"),
        _order,
        "Requests at the same time: here they came one after the other.",
        campaign="stale_pool",
        draw=_stale,
    ),
)
