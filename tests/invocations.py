"""An invocation to send to the handler by hand."""

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from poolbench.model.invocation import Invocation
from poolbench.model.row import Role, Visit

_OF_VISIT = {field.name for field in fields(Visit)}


def invocation(store: Path | str, **changes: Any) -> Invocation:
    """Two requests of the plain pool, measured, due now."""
    now = time.time_ns()
    visit = Visit(campaign="c", cell="cell", attempt=0, sequence=0, round=0, role=Role.MEASURE)
    plain = Invocation(
        visit=replace(visit, **{name: changes.pop(name) for name in _OF_VISIT & changes.keys()}),
        strategy="queuepool",
        label="queuepool",
        endpoint="proxy",
        driver="pymysql",
        workload="point_select",
        requests=2,
        pooled=1,
        deadline_s=5,
        idle_client_timeout_s=1.0,
        due_wall_ns=now,
        sent_wall_ns=now,
        store=str(store),
    )
    return replace(plain, **changes)
