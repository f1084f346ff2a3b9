"""Questions that public threads leave open, with answers whose numbers are computed from the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from poolbench.function.strategies import STRATEGIES
from poolbench.report.charts.contest import contest
from poolbench.report.charts.recycle import recycle_region
from poolbench.report.charts.stale import stale
from poolbench.report.columns import counted
from poolbench.report.metrics.comparison import compare, noise_floor
from poolbench.report.metrics.disturbances import clocks_over_gaps
from poolbench.report.metrics.failures import after_stale, hangs, pings_after
from poolbench.report.metrics.latency import strategy_requests
from poolbench.report.metrics.overhead import Overhead, connect_cost, overheads
from poolbench.report.metrics.recycle import recycle_checks
from poolbench.report.render import count, interval, milliseconds, number, out_of, percent, positive_interval
from poolbench.report.scenarios import Scenario
from poolbench.report.statistics import Estimate

Sentences = Callable[[Scenario, Mapping[str, Overhead]], Iterator[str]]
Draw = Callable[[Scenario, Sequence[str]], Figure | None]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how to answer it."""

    name: str  # short, unique
    asked: str  # as the threads mean it
    threads: tuple[str, ...]  # owner/repository#number on GitHub
    labels: tuple[str, ...]  # strategies that the answer needs
    sentences: Sentences  # the answer, from the scenario and its strategies' overheads by label
    open: str  # what data from the local lab cannot support
    campaign: str  # of the reference results that has the data
    draw: Draw

    def reply(self, scenario: Scenario) -> str:
        """The answer as a paragraph, or which strategies are missing for it."""
        found = {one.label: one for one in overheads(scenario)}
        missing = [label for label in self.labels if label not in found]
        if missing:
            return f"This campaign cannot tell: it did not measure {', '.join(missing)}."
        return " ".join(self.sentences(scenario, found))


def _side_by_side(scenario: Scenario, labels: Sequence[str]) -> Figure | None:
    return contest(strategy_requests(scenario, labels))


_QUESTIONS: list[Question] = []


def _question(
    asked: str,
    *threads: str,
    labels: str,
    open_: str,
    campaign: str = "questions",
    draw: Draw = _side_by_side,
) -> Callable[[Sentences], Sentences]:
    """Register a question with the function that answers it, which names it."""

    def register(sentences: Sentences) -> Sentences:
        short = sentences.__name__.removeprefix("_")
        needed = tuple(labels.split())
        _QUESTIONS.append(Question(short, asked, threads, needed, sentences, open_, campaign, draw))
        return sentences

    return register


def _failed(one: Overhead) -> str:
    """How many first requests after the timeout failed, with the interval of the share."""
    after = one.failed_after
    if not after.n:
        return "was not tested after the timeout"
    return f"failed {counted(after)} [{interval(after, percent)}]"


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


_DISTANCE = "Network latency in milliseconds: on one machine only the number of commands carries over."


@_question(
    "Does pool_recycle work in a Lambda that is frozen between invocations?",
    "polarsource/polar#13859",
    labels="queuepool recycle",
    open_="The lab freezes environments by SIGSTOP: the process stops, but the kernel and its clocks go on. "
    "Only a campaign on AWS can tell whether the wall clock of a microVM is right as soon as it thaws; its "
    "rows record the three clocks needed for that.",
    draw=lambda scenario, _: recycle_region(recycle_checks(scenario)),
)
def _frozen(scenario: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    recycle, rule = found["recycle"], recycle_checks(scenario)["recycle"]
    yield (
        f"{'Yes, in this campaign' if recycle.is_safe else 'Not always'}: of first requests after the "
        f"timeout, recycle {_failed(recycle)} and the default pool {_failed(found['queuepool'])}."
    )
    yield (
        "The pool compares the wall clock with the time of the connect at the next checkout and nowhere "
        f"else. Of {rule.sure} requests that were offered a pooled connection, {rule.as_predicted} ended as "
        "this rule predicts."
    )
    apart = float(clocks_over_gaps(scenario.rows).max())
    yield (
        "The rule needs a wall clock that keeps running while the environment is frozen: wall and boot clock "
        f"differed by at most {milliseconds(apart)} ms over any gap."
    )


@_question(
    "Can pool_recycle just below the proxy's timeout replace pre-ping and its round trip?",
    "mattrobinsonsre/terrapod#36",
    labels="recycle_near recycle pre_ping",
    open_="How close to 1,800 s is safe on AWS: the proxy's own clock and the network path decide that.",
)
def _near(_: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    near, early, ping = found["recycle_near"], found["recycle"], found["pre_ping"]
    yield (
        f"Of first requests after the timeout, a pool with pool_recycle at {_at('recycle_near')} of the "
        f"timeout {_failed(near)}, at {_at('recycle')} {_failed(early)}, and a pool with pre-ping "
        f"{_failed(ping)}."
    )
    yield f"A warm request took {_warm(near)} with the later recycle, and {_warm(ping)} with the ping."
    yield (
        f"The cost of recycle is reconnecting: {count(near.connects)} connects per request with the later "
        f"recycle, {count(early.connects)} with the earlier one, {count(ping.connects)} with the ping. It "
        "saves a round trip per request, but somebody has to keep the number below the proxy's timeout."
    )


@_question(
    "NullPool or pool_size=1 behind a proxy: does connecting cost 50 ms with every invoke?",
    "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#9",
    "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#7",
    labels="nullpool aws_sample queuepool dispose_per_invocation",
    open_="TLS, whose handshake costs CPU time and round trips, on a Lambda's share of a CPU: this campaign "
    "ran without TLS on a whole core.",
)
def _no_pool(_: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    null, one, default = found["nullpool"], found["aws_sample"], found["queuepool"]
    cost = connect_cost(null, default, target_s=0.05)
    yield (
        f"Of first requests after the timeout, NullPool {_failed(null)}, and pool_size=1 with pre-ping, as "
        f"in the AWS sample, {_failed(one)}."
    )
    yield (
        f"A warm request took {_warm(null)} without a pool, {_warm(one)} with the pool of one, and "
        f"{_warm(default)} with the default pool."
    )
    yield (
        f"Connecting for each request added {milliseconds(cost.added_s)} ms where a round trip costs next to "
        f"nothing. To add 50 ms, each of the {count(cost.commands)} additional commands and the TCP "
        f"handshake would have to take {milliseconds(cost.needed_s)} ms."
    )
    many = found["dispose_per_invocation"]
    yield (
        "One connect per invocation instead of one per request is dispose_per_invocation: "
        f"{count(many.connects)} connects per request instead of {count(null.connects)}."
    )


@_question(
    "Both options are on, and error 2013 comes all the same. How?",
    "sqlalchemy/sqlalchemy#10327",
    "apache/airflow#10700",
    labels="held recycle_pre_ping",
    open_="Whether this happened to the people who asked: the rows show one way to get there.",
)
def _held(scenario: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    pings, requests = pings_after(scenario, "held")
    yield (
        "By keeping a connection checked out. With both options on, an application that keeps one checked "
        f"out over the gap {_failed(found['held'])}; with a checkout for each request, the same options "
        f"{_failed(found['recycle_pre_ping'])}."
    )
    yield (
        "Both options act at checkout only; without a checkout they do nothing: "
        f"{pings} pings were sent before these {requests} requests."
    )


@_question(
    "Can pre-ping hang?",
    "PyMySQL/PyMySQL#1169",
    labels="queuepool pre_ping pre_ping_read_timeout recycle",
    open_="How often a connection on AWS goes silent instead of being closed.",
    campaign="black_hole",
)
def _hang(scenario: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    hung, limited, recycle = hangs(scenario, "pre_ping"), found["pre_ping_read_timeout"], found["recycle"]
    yield (
        f"{'Yes' if hung.value > 0 else 'Not in this campaign'}: on a connection that went silent, pre-ping "
        f"hung in {counted(hung)} requests [{interval(hung, percent)}], each until its deadline."
    )
    yield (
        f"With a read timeout in the driver it {_failed(limited)} and answered after "
        f"{_ms(limited.after_timeout.median)}: the timeout plus a reconnect."
    )
    yield (
        f"recycle, which closes the old connection without sending anything on it, {_failed(recycle)}, in "
        f"{_ms(recycle.after_timeout.median)}."
    )


@_question(
    "Is a recycle beyond the server's timeout, together with pre-ping, wrong or merely slower?",
    "datahub-project/datahub#18417",
    labels="aws_sample recycle_pre_ping pre_ping",
    open_=_DISTANCE,
)
def _late(_: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    late, early, ping = found["aws_sample"], found["recycle_pre_ping"], found["pre_ping"]
    yield (
        f"{'Slower, not wrong' if late.is_safe else 'Wrong'}: with the recycle at {_at('aws_sample')} times "
        f"the timeout, and pre-ping, a pool {_failed(late)}. The cost is a failed ping: the first request "
        f"after the timeout took {_after(late)}, and {_after(early)} with the recycle at "
        f"{_at('recycle_pre_ping')} times the timeout."
    )
    extra = _commands(late.after_commands - early.after_commands)
    yield (
        f"That is {extra} more. Pre-ping alone takes {count(ping.after_commands)}, so a recycle longer than "
        "the timeout only helps against other limits."
    )


@_question(
    "Is it enough to ping a connection that was idle for a while?",
    "transact-rs/sqlx#1743",
    "hasura/ndc-postgres#450",
    labels="idle_ping pre_ping queuepool",
    open_="Connections that die while busy, as at a failover: a ping only when idle does not notice.",
)
def _when_idle(_: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    idle, always, default = found["idle_ping"], found["pre_ping"], found["queuepool"]
    yield (
        "Of first requests after the timeout, a pool that pings connections that were idle for half the "
        f"timeout {_failed(idle)}; a pool that pings at every checkout {_failed(always)}."
    )
    yield (
        f"A warm request took {_warm(idle)} without a ping, {_warm(always)} with a ping at every checkout, "
        f"and {_warm(default)} by default."
    )
    yield f"The first request after the timeout took {_after(idle)} and {_after(always)}."


@_question(
    "What does the ROLLBACK at each return cost?",
    "sqlalchemy/sqlalchemy#12784",
    labels="autocommit queuepool pre_ping",
    open_=_DISTANCE,
)
def _rollback(scenario: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    auto, default, ping = found["autocommit"], found["queuepool"], found["pre_ping"]
    comparisons = compare(scenario)
    compared = next(one for one in comparisons if one.label == "autocommit")
    noise = noise_floor(comparisons)
    again = f"; the default pool's A/A control differs by {_ratio(noise)}" if noise else ""
    sure = ": only the count of commands is certain" if compared.within_noise else ""
    yield (
        f"A warm request took {_warm(auto)} in AUTOCOMMIT with skip_autocommit_rollback, and "
        f"{_warm(default)} with the ROLLBACK at each return: {_ratio(compared.ratio)} times as long, paired "
        f"within rounds{again}{sure}."
    )
    yield (
        f"It does not help with the gap: it {_failed(auto)}. It does not work with transactions either. It "
        f"saves {_commands(default.warm_commands - auto.warm_commands)}; a ping at each checkout adds "
        f"{_commands(ping.warm_commands - default.warm_commands)}."
    )


def _ratio(one: Estimate) -> str:
    return f"{number(one.value)} [{interval(one, number)}]"


def _draw_stale(scenario: Scenario, labels: Sequence[str]) -> Figure | None:
    return stale({label: after_stale(scenario, label) for label in labels})


@_question(
    "After a whole pool went stale: FIFO or LIFO?",
    labels="queuepool lifo recycle pre_ping",
    open_="Concurrent requests: here they came one after the other.",
    campaign="stale_pool",
    draw=_draw_stale,
)
def _order(scenario: Scenario, found: Mapping[str, Overhead]) -> Iterator[str]:
    each = {label: after_stale(scenario, label) for label in ("queuepool", "lifo", "pre_ping")}
    failed, opened = (
        {label: number(float(rows[what].sum()), 2) for label, rows in each.items()}
        for what in ("failed", "opened")
    )
    fifo, lifo, ping = found["queuepool"], found["lifo"], found["pre_ping"]
    yield (
        f"After each gap the default pool failed {failed['queuepool']} requests on average, and the LIFO "
        f"pool {failed['lifo']}, although several of their connections were stale: after the first failure "
        "the pool replaces every connection that is older than the failure."
    )
    yield (
        f"They differ in which requests open new connections: over {len(each['lifo'])} consecutive requests, "
        f"FIFO opened {opened['queuepool']} and LIFO {opened['lifo']}. FIFO works through the rest of the "
        "old connections, LIFO returns to the one that it has just opened."
    )
    yield (
        f"With pre-ping {out_of(ping.failed, ping.requests)} requests of any kind failed, and "
        f"{opened['pre_ping']} connections were opened after each gap. FIFO had {number(fifo.open, 2)} "
        f"connections open on average, LIFO {number(lifo.open, 2)}."
    )


QUESTIONS = tuple(_QUESTIONS)
