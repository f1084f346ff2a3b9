"""infra/campaign.asl.json, run by moto's interpreter against the lab: with virtual waits, then real ones."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from poolbench.aws import workflow
from poolbench.aws.account import open_account
from poolbench.aws.deployed import Deployed, find
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.invoker import LambdaInvoker
from poolbench.campaign.journal import Journal
from poolbench.campaign.schedule import plan_lanes
from poolbench.campaign.session import open_journal, prepare, run_session
from poolbench.campaign.sync import sync
from poolbench.lab.aws import FunctionConfig
from poolbench.lab.proxy import ProxySettings
from poolbench.lab.stack import LabSpec, running_stack
from poolbench.store import open_store
from poolbench.targets import variables_set
from poolbench.targets.aws import AwsTarget
from poolbench.targets.functions import ALIAS, LANE
from poolbench.targets.lab import lab_functions
from tests.aws.conftest import PARAMETERS, create_stack, outputs
from tests.aws.moto_server import ACCOUNT, MotoServer
from tests.campaign.files import campaign_file

DEFINITION = (Path(__file__).parents[2] / "infra" / "campaign.asl.json").read_text()
LANES, TIMEOUT_S = 3, 2.0
PATIENCE_S = 600
CONDUCTOR = "poolbench-conductor"
TINY = f"""
name = "tiny"
description = "both sides of the timeout"
seed = 1
idle_client_timeout_s = {TIMEOUT_S}
[factors]
strategies = ["queuepool", "nullpool"]
gaps = [0, 0.5, 2]
[request]
requests = 2
deadline_s = 3
[repetition]
lanes = {LANES}
rounds = 1
gaps_per_round = 1
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[dict[str, str]]:
    """Lanes, sampler and conductor, a bucket, and a stack that names them; the variables that lead there."""
    conductor = FunctionConfig(
        name=CONDUCTOR,
        handler="poolbench.aws.conductor.handler",
        timeout_s=900,
        memory_mb=512,
        reserved_concurrency=1,
    )
    with running_stack(
        lambda endpoints: [*lab_functions(LANES, 60, endpoints), conductor],
        LabSpec(ProxySettings(idle_client_timeout=TIMEOUT_S)),
    ) as stack:
        variables = stack.environment() | {"AWS_EC2_METADATA_DISABLED": "true"}
        with variables_set(variables):
            boto3.DEFAULT_SESSION = None
            boto3.client("s3").create_bucket(Bucket="poolbench-results-1")
            create_machine()
            lanes = ",".join(f"{LANE.format(number)}:{ALIAS}" for number in range(LANES))
            timeout = {"IdleClientTimeout": f"{TIMEOUT_S:g}"}
            create_stack(outputs(LaneFunctions=lanes, **timeout), PARAMETERS | timeout)
            boto3.DEFAULT_SESSION = None
        yield variables


def create_machine() -> str:
    created = boto3.client("stepfunctions").create_state_machine(
        name="poolbench-campaign", definition=DEFINITION, roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine"
    )
    arn: str = created["stateMachineArn"]
    return arn


@dataclass
class Virtual:
    """The deployed stack, but for the state machine: that is interpreted here, and its waits cost nothing."""

    deployed: Deployed
    waits: list[int]

    def start(self, file: CampaignFile, resume: str | None = None, **changed: Any) -> tuple[Journal, str]:
        """Run a campaign, or go on with one, to its end; its journal, and how the execution ended."""
        deployed = Deployed(**{name: getattr(self.deployed, name) for name in Deployed.__slots__} | changed)
        journal = open_journal(file, open_store(deployed.store), resume)
        target = AwsTarget.of(self.deployed, "stepfunctions")
        cells = prepare(file, journal, target, LambdaInvoker(60), resume=resume is not None)
        lanes = plan_lanes(file.campaign, cells)
        started = workflow.start(open_account(None), deployed, file.campaign, journal, lanes)
        client = boto3.client("stepfunctions")
        deadline = time.monotonic() + PATIENCE_S
        while (execution := client.describe_execution(executionArn=started.arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return journal, execution["status"]


@pytest.fixture
def virtual(lab: dict[str, str], server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Virtual]:
    server.reset()
    waits: list[int] = []
    monkeypatch.setattr(
        WaitFunction, "_wait_interval", lambda _self, wait_seconds, **_env: waits.append(wait_seconds)
    )
    # A slice of the sampler takes as long as it says, and would be all that is waited for.
    monkeypatch.setattr(workflow, "SLICE_S", 3)
    here = {
        **lab,
        "AWS_ENDPOINT_URL_SFN": server.url,
        "MOTO_PORT": lab["AWS_ENDPOINT_URL"].rpartition(":")[2],
    }
    with variables_set(here):
        boto3.DEFAULT_SESSION = None
        create_machine()
        yield Virtual(find(open_account(None)), waits)
        boto3.DEFAULT_SESSION = None


def half_hours(tmp_path: Path) -> CampaignFile:
    text = TINY.replace("gaps = [0, 0.5, 2]", "gaps_s = [0, 1740, 1860]").replace('"tiny"', '"long"')
    return campaign_file(tmp_path, text)


@pytest.mark.slow
def test_gaps_of_half_an_hour_are_waited_for_by_the_machine(virtual: Virtual, tmp_path: Path) -> None:
    file = half_hours(tmp_path)
    journal, status = virtual.start(file)
    assert status == "SUCCEEDED"
    cells = {cell.id for cell in file.campaign.cells()}
    assert journal.finished_cells() == cells
    # As no time passes, each wait is until its planned moment, counted from the start.
    planned = sorted(turn["offset_s"] for turn in turns_of(journal) if turn["wait_s"])
    waited = sorted(wait for wait in virtual.waits if wait > 100)
    assert len(planned) == 4 * 2  # four contenders with two gaps each
    assert min(planned) >= 1740
    assert waited == pytest.approx(planned, abs=60)
    session = journal.read("sessions/000")
    assert session["how"] == "finished"
    assert session["sampling"]["samples"] > 0
    assert session["sampling"]["failed_slices"] == 0
    synced = sync(journal, tmp_path / "synced")
    assert (synced.invalid, synced.uncounted, synced.finished_cells) == (0, 0, len(cells))
    assert synced.rows == 2 * len(turns_of(journal))
    # Nobody waited, so the lanes were in each other's way all the time, and only the conductor kept order.
    check_turns(pq.read_table(tmp_path / "synced" / "rows.parquet").to_pylist())


def turns_of(journal: Journal, lanes: str = "000-0") -> list[dict[str, Any]]:
    """What was planned."""
    keys = journal.store.list_keys(f"{journal.campaign}/lanes/{lanes}")
    return [turn for key in keys for turn in json.loads(journal.store.get(key))["turns"]]


@pytest.mark.slow
def test_a_sampler_that_fails_costs_its_slices_alone(virtual: Virtual, tmp_path: Path) -> None:
    journal, status = virtual.start(half_hours(tmp_path), sampler="poolbench-nobody:live")
    assert status == "SUCCEEDED"
    sampling = journal.read("sessions/000")["sampling"]
    assert sampling["failed_slices"] > 0
    assert sampling["last_error"] == "Lambda.ResourceNotFoundException"
    assert 10 in virtual.waits, "what is broken is not hammered"


@pytest.mark.slow
def test_a_lane_whose_function_is_gone_leaves_the_others_and_can_be_made_up_for(
    virtual: Virtual, tmp_path: Path
) -> None:
    file = half_hours(tmp_path)
    lanes = (*virtual.deployed.lanes[:-1], "poolbench-nobody:live")
    journal, status = virtual.start(file, lanes=lanes)
    assert status == "FAILED"
    done = journal.finished_cells()
    assert done
    how = journal.read("sessions/000")["how"]
    stranded = {turn["cell"]["id"] for turn in turns_of(journal, f"000-{LANES - 1:03d}")}
    assert how.startswith(f"stopped: {len(stranded)} cells are not finished")
    assert "function poolbench-nobody:live: ResourceNotFoundException" in how
    journal, status = virtual.start(file, journal.campaign)
    assert status == "SUCCEEDED"
    assert journal.finished_cells() == done | stranded
    assert {turn["cell"]["id"] for turn in turns_of(journal, "001-0")} == stranded
    assert journal.read("sessions/001")["how"] == "finished"


@pytest.mark.slow
def test_a_conductor_that_fails_ends_the_lane_and_says_so(
    virtual: Virtual, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        workflow, "key_of", lambda campaign, session, lane: f"{campaign}/lost/{session}-{lane}"
    )
    journal, status = virtual.start(half_hours(tmp_path))
    assert status == "FAILED"
    assert "conductor: lane 0: KeyError" in journal.read("sessions/000")["how"]


def run_poolbench(folder: Path, lab: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "poolbench", *arguments],
        cwd=folder,
        env={**os.environ, **lab, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_campaign_with_real_waits_is_left_and_attached_to_again_and_reported(
    lab: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    with ended(run_poolbench(tmp_path, lab, "campaign", "tiny.toml", "--target", "aws")) as process:
        assert process.stdout
        said = "".join(itertools.takewhile(lambda line: "invocations, " not in line, process.stdout))
        assert "Ctrl-C leaves it running" in said
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, "it goes on without you; to attach again" in rest) == (130, True), (
            said + rest
        )
    again = ("campaign", "tiny.toml", "--target", "aws", "--resume", "--out", "machine")
    with ended(run_poolbench(tmp_path, lab, *again)) as process:
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, rest
    check_rows(tmp_path / "machine")
    check_same_as_from_here(lab, tmp_path)
    assert (tmp_path / "machine" / "cloudwatch.parquet").exists()


def check_turns(rows: list[dict[str, Any]]) -> None:
    """Windows do not overlap."""
    windows = sorted({(row["client_sent_wall_ns"], row["client_done_wall_ns"]) for row in rows})
    assert all(done <= sent for (_, done), (sent, _) in itertools.pairwise(windows))


def check_rows(directory: Path) -> None:
    """Gaps are kept, windows do not overlap, and the failure shows."""
    rows = pq.read_table(directory / "rows.parquet").to_pylist()
    check_turns(rows)
    first = [row for row in rows if row["request"] == 0 and row["role"] == "measure"]
    assert all(row["gap_s"] >= row["gap_asked_s"] - 0.01 for row in first)
    assert all(row["sent_wall_ns"] >= row["due_wall_ns"] for row in first)
    beyond = [row for row in first if row["gap_ratio"] > 1]
    lost = {
        label: {row["outcome"] for row in beyond if row["label"] == label}
        for label in ("queuepool", "nullpool")
    }
    assert lost == {"queuepool": {"error"}, "nullpool": {"ok"}}
    assert {row["initialization"] for row in rows} == {"provisioned-concurrency"}


def check_same_as_from_here(lab: dict[str, str], tmp_path: Path) -> None:
    """Nothing but the header tells who waited."""
    file = campaign_file(tmp_path, TINY)
    with variables_set(lab):
        boto3.DEFAULT_SESSION = None
        deployed = find(open_account(None))
        journal = open_journal(file, open_store(deployed.store), None)
        run_session(
            file, journal, AwsTarget.of(deployed, "client"), resume=False, on_progress=lambda _progress: None
        )
        sync(journal, tmp_path / "client")
        boto3.DEFAULT_SESSION = None
    same = [pq.read_table(tmp_path / name / "rows.parquet") for name in ("machine", "client")]
    assert same[0].schema == same[1].schema
    keys = ["cell", "sequence", "request", "role", "strategy", "label", "counted", "gap_asked_s"]
    told = [sorted(tuple(row[key] for key in keys) for row in table.to_pylist()) for table in same]
    assert told[0] == told[1]
    headers = [json.loads((tmp_path / name / "header.json").read_text()) for name in ("machine", "client")]
    assert [header["target"].pop("driver") for header in headers] == ["stepfunctions", "client"]
    assert headers[0]["target"] == headers[1]["target"]
    assert headers[0]["target"]["kind"] == "aws"
