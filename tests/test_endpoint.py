"""A proxy of another maker in the place of the lab's: one class, and campaigns run on it as they are."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.session import open_journal, run_session
from poolbench.campaign.sync import sync
from poolbench.campaign.target import Endpoint, Limits
from poolbench.lab.proxy.launch import running_relay
from poolbench.lab.stack import DatabaseLogin
from poolbench.store import FileStore
from poolbench.targets import variables_set
from poolbench.targets.lab import Database, LabOptions, running_lab

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Forwarder:
    """Passes every byte on, and closes nobody: the simplest proxy that there is."""

    address: str
    name: str = "proxy"
    limits: Limits = Limits()

    def metrics(self) -> Mapping[str, Any] | None:
        return None


def test_a_campaign_runs_on_a_proxy_of_another_maker(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def forwarder(database: Database, _login: DatabaseLogin) -> Iterator[Endpoint]:
        host, _, port = database.address.rpartition(":")
        with running_relay(host, int(port), 0.001, work_dir=tmp_path) as relay:
            yield Forwarder(f"{relay.host}:{relay.port}")

    file = CampaignFile.load("smoke")
    journal = open_journal(file, FileStore(tmp_path / "store"), None)
    with (
        running_lab(file.campaign, LabOptions(proxy=forwarder)) as target,
        variables_set(target.stack.environment()),
    ):
        run_session(file, journal, target, resume=False, on_progress=lambda _progress: None)
        seen = target.stack.proxy.metrics()["ClientConnectionsReceived"]
    synced = sync(journal, tmp_path / "out")
    assert (synced.finished_cells, synced.invalid) == (18, 0)
    assert seen == 0, "no function has connected to the lab's own proxy"
    rows = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    # Nobody closes an idle client here, so the plain pool loses nothing, whatever the gap.
    outcomes = {row["outcome"] for row in rows if row["strategy"] == "queuepool"}
    assert outcomes == {"ok"}, json.dumps(sorted(outcomes))
    assert {row["connects"] for row in rows if row["strategy"] == "nullpool"} == {1}
