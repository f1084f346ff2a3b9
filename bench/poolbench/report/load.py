"""From the directories of synced campaigns to one dataset."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from poolbench.model.arrow import TEXT_COLUMNS
from poolbench.model.header import BadHeader, Header
from poolbench.report.directory import CampaignDirectory, Problem
from poolbench.report.requests import derive
from poolbench.typed import flatten

# Parts of the header that must agree for rows to be pooled.
_SETTINGS = ("target", "server", "versions", "machine", "request", "drivers")
_MAY_LACK = ("request.", "drivers.")
_FACTOR = "request.workload"  # it tells scenarios apart, and not campaigns


class CannotLoad(Exception):
    """The directories cannot be analysed together, or not at all; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One or several campaigns."""

    headers: tuple[Header, ...]  # one for each campaign
    rows: pd.DataFrame  # all valid rows, with the model's columns, those of `derive`, and `differing`
    connections: pd.DataFrame  # the samplers' series, with the campaign's id
    events: pd.DataFrame  # the lab proxy's events, likewise; empty on AWS
    cloudwatch: pd.DataFrame  # CloudWatch's metrics, likewise; empty in the lab
    problems: tuple[Problem, ...]  # what is missing or was left out
    differing: tuple[str, ...] = ()  # settings in which the campaigns differ; columns of `rows`


def load(directories: Sequence[Path], *, mixed: bool = False) -> Dataset:
    """Read synced campaigns.

    Args:
        directories: each with what a sync writes. A directory that cannot be read is left out and becomes a
            problem, as does everything else that is missing.
        mixed: merge campaigns even if their settings differ; each such setting becomes a column.

    Raises:
        CannotLoad: nothing can be read; two directories hold the same campaign with different content; or
            settings differ and `mixed` was not asked for.

    """
    campaigns, problems = _opened(directories)
    differ = differences([one.header for one in campaigns])
    if differ and not mixed:
        listed = "; ".join(f"{name}: {' / '.join(map(str, values))}" for name, values in differ.items())
        raise CannotLoad(
            f"the campaigns differ in settings ({listed}): report them one by one, or together with --mixed"
        )
    frames = []
    for index, one in enumerate(campaigns):
        frame = one.rows()
        for name, values in differ.items():
            frame[name] = values[index]
        frame["timeout_s"] = one.header.timeout_s
        frames.append(frame)
        pa.default_memory_pool().release_unused()  # else Arrow keeps as much again for itself
    rows = derive(_concatenated(frames))
    planned = [cell.label for one in campaigns for cell in one.header.cells]
    labels = dict.fromkeys([*planned, *rows["label"].cat.categories])
    rows["label"] = rows["label"].cat.set_categories(list(labels))
    connections = _together(campaigns, CampaignDirectory.connections)
    events = _together(campaigns, CampaignDirectory.events)
    metrics = _together(campaigns, CampaignDirectory.cloudwatch)
    problems += [problem for one in campaigns for problem in one.problems]
    headers = tuple(one.header for one in campaigns)
    return Dataset(headers, rows, connections, events, metrics, tuple(problems), tuple(differ))


def _opened(directories: Sequence[Path]) -> tuple[list[CampaignDirectory], list[Problem]]:
    """Each campaign once; directories that cannot be opened become problems."""
    problems: list[Problem] = []
    found: dict[str, CampaignDirectory] = {}
    for path in directories:
        try:
            one = CampaignDirectory.open(path)
        except BadHeader as error:
            problems.append(Problem(str(path), str(error)))
            continue
        known = found.setdefault(one.header.campaign, one)
        if known is not one and known.fingerprint() != one.fingerprint():
            raise CannotLoad(
                f"{known.path} and {path} both hold campaign {one.header.campaign}, with different content: "
                "leave the older one out"
            )
    if not found:
        raise CannotLoad("; ".join(problem.what for problem in problems) or "no directory given")
    return list(found.values()), problems


def differences(headers: Sequence[Header]) -> dict[str, list[Any]]:
    """Settings that are not the same in all headers: dotted name -> its value in each.

    A driver that one campaign did without does not count as a difference.
    """
    found = [_settings(header) for header in headers]
    names = dict.fromkeys(name for one in found for name in one)
    values = {name: [one.get(name) for one in found] for name in names}
    return {name: each for name, each in values.items() if _differ(name, each)}


def _settings(header: Header) -> dict[str, Any]:
    parts = {name: value for name, value in asdict(header).items() if name in _SETTINGS}
    return {name: value for name, value in flatten(parts).items() if name != _FACTOR}


def _differ(name: str, values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None or not name.startswith(_MAY_LACK)]
    return any(value != known[0] for value in known)


def _together(
    campaigns: Sequence[CampaignDirectory], read: Callable[[CampaignDirectory], pd.DataFrame]
) -> pd.DataFrame:
    named = [read(one).assign(campaign=one.header.campaign) for one in campaigns]
    return pd.concat(named, ignore_index=True)


def _concatenated(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; texts stay categories, although each campaign has its own."""
    if len(frames) == 1:
        return frames[0]
    for name in TEXT_COLUMNS:
        united = dict.fromkeys(value for frame in frames for value in frame[name].cat.categories)
        categories = pd.Index(list(united), dtype="str")
        for frame in frames:
            frame[name] = frame[name].cat.set_categories(categories)
    return pd.concat(frames, ignore_index=True)
