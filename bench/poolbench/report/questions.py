"""Questions that public threads leave open, with the answers that a campaign's rows give."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from poolbench.report import replies
from poolbench.report.figures.contest import contest
from poolbench.report.figures.recycle import recycle_region
from poolbench.report.figures.stale import stale
from poolbench.report.replies import Prices
from poolbench.report.settings import Setting
from poolbench.report.tradeoff import prices


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how to answer it.

    Attributes:
        name: short, unique.
        asked: in the threads' sense.
        threads: where, as owner/repository#number on GitHub.
        campaign: of the reference results that holds the data.
        labels: strategies that the answer needs.
        sentences: the answer, from the setting and the prices of its strategies.
        draw: the chart of it.
        open: what data of the local lab cannot support.

    """

    name: str
    asked: str
    threads: tuple[str, ...]
    campaign: str
    labels: tuple[str, ...]
    sentences: Callable[[Setting, Prices], Iterator[str]]
    draw: Callable[[Setting, Sequence[str]], Figure | None]
    open: str

    def reply(self, setting: Setting) -> str:
        """The answer as a paragraph, or which strategies it would take."""
        found = {price.label: price for price in prices(setting)}
        missing = [label for label in self.labels if label not in found]
        if missing:
            return f"This campaign cannot tell: it did not measure {', '.join(missing)}."
        return " ".join(self.sentences(setting, found))


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
        "questions",
        ("queuepool", "recycle"),
        replies.frozen,
        lambda setting, _: recycle_region(setting),
        _CLOCK,
    ),
    Question(
        "near",
        "Can pool_recycle just below the proxy's timeout replace pre-ping and its round trip?",
        ("mattrobinsonsre/terrapod#36",),
        "questions",
        ("recycle_near", "recycle", "pre_ping"),
        replies.near,
        contest,
        "How close to 1,800 s one may go on AWS: there the proxy's own clock decides, and the way to it.",
    ),
    Question(
        "no_pool",
        "NullPool or pool_size=1 behind a proxy: does connecting cost 50 ms with every invoke?",
        (
            "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#9",
            "aws-samples/aws-serverless-app-with-aurora-and-python-sql-alchemy-example#7",
        ),
        "questions",
        ("nullpool", "aws_sample", "queuepool", "dispose_per_invocation"),
        replies.no_pool,
        contest,
        "TLS, whose handshake costs CPU and round trips of its own, on a Lambda's share of a CPU: this ran "
        "in the clear, on a whole core.",
    ),
    Question(
        "held",
        "Both options are on, and error 2013 comes all the same. How?",
        ("sqlalchemy/sqlalchemy#10327", "apache/airflow#10700"),
        "questions",
        ("held", "recycle_pre_ping"),
        replies.held,
        contest,
        "Whether that is what happened to those who asked: it is one way to get there that these rows show.",
    ),
    Question(
        "hang",
        "Can pre-ping hang?",
        ("PyMySQL/PyMySQL#1169",),
        "black_hole",
        ("queuepool", "pre_ping", "pre_ping_read_timeout", "recycle"),
        replies.hang,
        contest,
        "How often a connection goes silent on AWS instead of being closed.",
    ),
    Question(
        "late",
        "Is a recycle beyond the server's timeout, together with pre-ping, wrong or merely slower?",
        ("datahub-project/datahub#18417",),
        "questions",
        ("aws_sample", "recycle_pre_ping", "pre_ping"),
        replies.late,
        contest,
        _DISTANCE,
    ),
    Question(
        "when_idle",
        "Is it enough to ping a connection that was idle for a while?",
        ("transact-rs/sqlx#1743", "hasura/ndc-postgres#450"),
        "questions",
        ("idle_ping", "pre_ping", "queuepool"),
        replies.when_idle,
        contest,
        "Connections that die while busy, at a failover say: a ping only when idle does not look then.",
    ),
    Question(
        "rollback",
        "What does the ROLLBACK at each return cost?",
        ("sqlalchemy/sqlalchemy#12784",),
        "questions",
        ("autocommit", "queuepool", "pre_ping"),
        replies.rollback,
        contest,
        _DISTANCE,
    ),
    Question(
        "order",
        "After a whole pool went stale: FIFO or LIFO?",
        (),
        "stale_pool",
        ("queuepool", "lifo", "recycle", "pre_ping"),
        replies.order,
        stale,
        "Requests at the same time: here they came one after the other.",
    ),
)
