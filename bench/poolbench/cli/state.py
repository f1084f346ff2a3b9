"""What `poolbench lab up` leaves for later commands: who runs the lab, and the variables of its clients."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from poolbench.lab.cache import cache_directory
from poolbench.lab.process import started_at


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab in the background."""

    pid: int
    started: str  # as `started_at` has it: after a power cut the number is somebody else's
    variables: Mapping[str, str] = field(repr=False)  # with passwords


def state_path() -> Path:
    """One lab for each user, unless POOLBENCH_LAB_STATE names another file."""
    return Path(os.environ.get("POOLBENCH_LAB_STATE") or cache_directory() / "lab.json")


def read_state() -> LabState | None:
    """The lab that is up; None if there is none, or the one that was has died."""
    with suppress(OSError, ValueError, TypeError):
        state = LabState(**json.loads(state_path().read_text()))
        os.kill(state.pid, 0)
        if started_at(state.pid) == state.started:
            return state
    return None


def write_state(variables: Mapping[str, str]) -> None:
    """Leave word that this process runs a lab.

    Raises:
        FileExistsError: another one has come up meanwhile.

    """
    path = state_path()
    partial = path.with_suffix(f".{os.getpid()}")
    partial.touch(mode=0o600)
    try:
        state = LabState(os.getpid(), started_at(os.getpid()), dict(variables))
        partial.write_text(json.dumps(asdict(state)))
        if read_state() is None:
            path.unlink(missing_ok=True)  # of one that has died
        path.hardlink_to(partial)
    finally:
        partial.unlink()


def remove_state() -> None:
    """The lab is going down."""
    state_path().unlink(missing_ok=True)
