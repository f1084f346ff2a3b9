"""An invocation to send to the handler by hand."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from poolbench.function.invocation import Invocation
from poolbench.function.record import Role


def invocation(store: Path | str, **changes: Any) -> Invocation:
    """Two requests of the plain pool, measured, due now."""
    now = time.time_ns()
    plain = Invocation(
        campaign="c",
        cell="cell",
        attempt=0,
        sequence=0,
        round=0,
        role=Role.MEASURE,
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
