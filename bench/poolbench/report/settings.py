"""A setting: one combination of everything but strategy and gap. Strategies are compared within one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.load import Dataset
from poolbench.report.requests import Kind

FACTORS = ("endpoint", "workload", "driver", "failure")


@dataclass(frozen=True, slots=True)
class Setting:
    """The counted rows of one setting.

    Attributes:
        facts: what distinguishes it: the factors, and every setting in which merged campaigns differ.
        timeout_s: the proxy's idle client timeout.
        rows: see `load.Dataset`; rows of abandoned attempts are left out.
        connections: the samplers' series of the campaigns concerned; empty where these measured another
            setting, too, for a sample does not say of which one a connection was.
        events: what happened at the lab's proxy in them.

    """

    facts: Mapping[str, Any]
    timeout_s: float
    rows: pd.DataFrame
    connections: pd.DataFrame
    events: pd.DataFrame

    @property
    def name(self) -> str:
        """All the facts."""
        return self.title(tuple(self.facts))

    def title(self, names: Sequence[str]) -> str:
        """Some of the facts."""
        return ", ".join(f"{name} {self.facts[name]}" for name in names)

    @property
    def labels(self) -> tuple[str, ...]:
        """Strategies in the order of the campaign, then the A/A twin, then the control."""
        present = set(self.rows["label"].unique())
        return tuple(label for label in self.rows["label"].cat.categories if label in present)

    def select(
        self, columns: Sequence[str], kind: Kind | None = None, label: str | None = None
    ) -> pd.DataFrame:
        """Rows of a kind and a label, with these columns only: all columns of a million rows are many."""
        chosen = pd.Series(True, self.rows.index)
        if kind is not None:
            chosen &= self.rows["kind"] == kind
        if label is not None:
            chosen &= self.rows["label"] == label
        return self.rows[list(columns)][chosen]

    @property
    def strategies(self) -> tuple[str, ...]:
        """The labels without twin and control."""
        return tuple(label for label in self.labels if label not in (CONTROL, twin_of(REFERENCE)))


def twin_of(strategy: str) -> str:
    """Label of the second half of an A/A pair."""
    return f"{strategy}-twin"


def varying(settings: Sequence[Setting]) -> tuple[str, ...]:
    """Facts that tell the settings apart, without those that follow from others: few names, short titles."""
    names: list[str] = []
    apart = 1
    for name in sorted(settings[0].facts if settings else (), key=lambda name: name == "endpoint"):
        found = len({tuple(str(setting.facts[one]) for one in (*names, name)) for setting in settings})
        if found > apart:
            names, apart = [*names, name], found
    return tuple(names)


def split(dataset: Dataset) -> tuple[Setting, ...]:
    """Every setting that the dataset has counted rows of, in the order of its rows."""
    names = [*FACTORS, *dataset.differing]
    rows = dataset.rows
    counted = rows if rows["counted"].all() else rows[rows["counted"]]
    sizes = counted["campaign"].value_counts()
    settings = []
    for values, rows in counted.groupby(names, observed=True, sort=False, dropna=False):
        assert isinstance(values, tuple)  # of the group's keys, as they are several
        campaigns = list(rows["campaign"].unique())
        connections, events = (
            series[series["campaign"].isin(campaigns)] for series in (dataset.connections, dataset.events)
        )
        if sizes[campaigns].sum() > len(rows):
            connections = connections.iloc[:0]
        settings.append(
            Setting(
                dict(zip(names, values, strict=True)),
                float(rows["timeout_s"].iloc[0]),
                rows,
                connections,
                events,
            )
        )
    return tuple(settings)
