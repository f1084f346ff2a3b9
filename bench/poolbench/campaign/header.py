"""Provenance: what a campaign was run with, written before anything is measured."""

import datetime
import os
import platform
import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import poolbench
from poolbench.campaign.file import CampaignFile
from poolbench.model.header import DatabaseServer, Git, Header, Machine, TargetFacts
from poolbench.typed import build, flatten

CHECKED = ("versions", "drivers", "server", "target")  # must be the same when a campaign is resumed


class Different(Exception):
    """A campaign cannot be resumed, because it would not be the same campaign; the message says why."""


def new_id(name: str, now: datetime.datetime | None = None) -> str:
    """Name, UTC time, and two random bytes for those who start two in one second."""
    moment = now or datetime.datetime.now(datetime.UTC)
    return f"{name}-{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def make_header(
    campaign_id: str, file: CampaignFile, target: TargetFacts, described: Mapping[str, Any]
) -> Header:
    """Collect everything that a reader needs to judge, or repeat, the campaign.

    Args:
        campaign_id: of the new campaign.
        file: the campaign file.
        target: what it is run against.
        described: the sampler function's answer to `describe`: server, versions and drivers.

    """
    campaign = file.campaign
    return Header(
        campaign=campaign_id,
        name=campaign.name,
        description=campaign.description,
        file_text=file.text,
        file_sha256=file.sha256,
        seed=campaign.seed,
        created_wall_ns=time.time_ns(),
        git=_git(),
        versions={"poolbench": poolbench.__version__, **described["versions"]},
        drivers=described["drivers"],
        server=build(DatabaseServer, described["server"], "server"),
        target=replace(target, idle_client_timeout_s=campaign.idle_client_timeout_s),
        request=campaign.request,
        machine=_machine(),
        left_out=campaign.left_out(),
        cells=campaign.cells(),
    )


def check_same(old: Header, new: Header) -> None:
    """Refuse to go on with a campaign under other conditions than it was begun with.

    Raises:
        Different: names every setting that differs.

    """
    if old.file_sha256 != new.file_sha256:
        before, after = old.file_text.splitlines(), new.file_text.splitlines()
        gone = [line.strip() for line in before if line not in after and line.strip()]
        come = [line.strip() for line in after if line not in before and line.strip()]
        raise Different(
            f"campaign {old.campaign} was begun with another campaign file: it had {gone}, now {come}; "
            "start a new campaign, or put the file back"
        )
    then, now = (flatten({key: header.as_dict()[key] for key in CHECKED}) for header in (old, new))
    differ = [
        f"{name}: {then.get(name)!r} then, {now.get(name)!r} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    if differ:
        raise Different(
            f"campaign {old.campaign} was begun under other conditions ({'; '.join(differ)}); "
            "start a new campaign"
        )


def _git() -> Git:
    """Commit of the checkout that the package runs from; None where it was installed from elsewhere."""
    folder = Path(poolbench.__file__).resolve().parent
    try:
        commit = _run("git", "-C", str(folder), "rev-parse", "HEAD")
        dirty = _run("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return Git()
    return Git(commit=commit, dirty=bool(dirty))


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def _machine() -> Machine:
    """What the client runs on; on AWS that is not where the function runs."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    return Machine(
        cpu=cpu,
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        os=_os_name(),
    )


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
