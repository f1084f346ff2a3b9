"""What a store holds of a campaign: conditions for its header, and rows."""

from typing import Any

from poolbench.campaign.journal import Journal
from poolbench.campaign.turn import row_of_unanswered
from poolbench.model.header import TargetFacts
from poolbench.model.row import encode_rows
from tests.campaign.fakes import reply
from tests.invocations import invocation

CELL = "queuepool-1.5x-0"
DESCRIBED = {
    "drivers": {"pymysql": {"version": "1.2.4", "build": "pure Python"}},
    "versions": {"python": "3.13.1", "sqlalchemy": "2.1.9"},
    "server": {"flavour": "mysql", "version": "8.4.0", "variables": {"wait_timeout": "28800"}},
}
TARGET = TargetFacts(
    kind="lab", freeze="SIGSTOP", proxy_settings={"InitQuery": "", "SessionPinningFilters": ()}
)


def put_row(journal: Journal, attempt: int, sequence: int, **changes: Any) -> None:
    sent = invocation(
        journal.store.url,
        campaign=journal.campaign,
        cell=CELL,
        attempt=attempt,
        sequence=sequence,
        due_wall_ns=1,
        sent_wall_ns=2,
    )
    row = row_of_unanswered(sent, reply({"errorMessage": "gone"}, "Sandbox.Timedout"), "env", 3)
    journal.store.put_new(sent.visit.key, encode_rows([row.as_dict() | changes]))
