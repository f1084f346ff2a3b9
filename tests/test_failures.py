"""Failures that a campaign switches on and off: what a request meets, from real parts."""

from pathlib import Path
from typing import Any

import pytest

from tests.users import User

pytestmark = pytest.mark.slow

FILE = """
name = "failures"
description = "Failures that somebody has to bring about."
seed = 1
idle_client_timeout_s = 30
connection_borrow_timeout_s = 0.5

[factors]
strategies = ["queuepool", "nullpool"]
failures = [{failures}]
gaps_s = [1]

[request]
requests = 1
deadline_s = 3

[repetition]
lanes = {lanes}
"""


def measured(folder: Path, failures: list[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a campaign of these; the row of the measured request by strategy and failure."""
    user = User(folder)
    text = FILE.format(failures=", ".join(f'"{name}"' for name in failures), lanes=2 * len(failures) + 2)
    (folder / "failures.toml").write_text(text)
    code, output = user.run("campaign", "failures.toml")
    assert code == 0, output
    assert user.left_over() == {}
    rows = user.rows(role="measure", baseline=False, aa_control=False)
    return {(row["strategy"], row["failure"]): row for row in rows}


def test_each_failure_meets_whom_it_should(tmp_path: Path) -> None:
    rows = measured(
        tmp_path, ["server_restart", "refused_connects", "borrow_exhaustion", "too_many_connections"]
    )
    outcomes = {key: (row["outcome"], row["error_code"]) for key, row in rows.items()}
    # The proxy lives through the restart, and connects to the database anew for whoever asks next.
    assert outcomes["queuepool", "server_restart"] == ("ok", None)
    assert outcomes["nullpool", "server_restart"] == ("ok", None)
    # A connection that is held is not affected where new ones are refused; NullPool has none.
    assert outcomes["queuepool", "refused_connects"] == ("ok", None)
    assert outcomes["nullpool", "refused_connects"] == ("error", 2003)
    # 9501 reaches everybody whose statement needs a database connection.
    assert outcomes["queuepool", "borrow_exhaustion"] == ("error", 9501)
    assert outcomes["nullpool", "borrow_exhaustion"] == ("error", 9501)
    assert outcomes["queuepool", "too_many_connections"] == ("ok", None)
    assert outcomes["nullpool", "too_many_connections"] == ("error", 1040)
    assert rows["nullpool", "refused_connects"]["error_phase"] == "checkout"
    assert {row["route"] for key, row in rows.items() if key[1] == "too_many_connections"} == {"database"}
    assert {row["route"] for key, row in rows.items() if key[1] != "too_many_connections"} == {"proxy"}


def test_without_a_proxy_a_restart_ends_the_connections_that_are_held(tmp_path: Path) -> None:
    rows = measured(tmp_path, ["server_restart_direct"])
    held, new = (rows[strategy, "server_restart_direct"] for strategy in ("queuepool", "nullpool"))
    assert (held["outcome"], held["connection_invalidated"]) == ("error", True)
    assert held["error_code"] in (2006, 2013)
    assert new["outcome"] == "ok"
