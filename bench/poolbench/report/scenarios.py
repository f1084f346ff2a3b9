"""A scenario: one combination of everything but strategy and gap. Strategies are compared within one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from poolbench.function.strategies import CONTROL, REFERENCE
from poolbench.report.load import Dataset
from poolbench.report.requests import RequestKind

FACTORS = ("route", "workload", "driver", "failure")
AA_CONTROL = f"{REFERENCE}-twin"  # label of the reference strategy's second, identical set of cells


@dataclass(frozen=True, slots=True)
class Scenario:
    """The counted rows of one scenario."""

    facts: Mapping[str, Any]  # the factors, and every setting in which merged campaigns differ
    timeout_s: float  # idle client timeout of the proxy
    rows: pd.DataFrame  # see `load.Dataset`, without the rows of abandoned attempts
    # the samplers' series of the campaigns concerned. It is empty if these campaigns measured another
    # scenario too, because a sample does not tell which scenario a connection belongs to
    connections: pd.DataFrame
    events: pd.DataFrame  # the lab proxy's events in these campaigns

    @property
    def name(self) -> str:
        """All facts."""
        return self.title(tuple(self.facts))

    def title(self, names: Sequence[str]) -> str:
        """Some of the facts."""
        return ", ".join(f"{name} {self.facts[name]}" for name in names)

    @property
    def labels(self) -> tuple[str, ...]:
        """Strategies in the order of the campaign, then the A/A control, then the no-database control."""
        present = set(self.rows["label"].unique())
        return tuple(label for label in self.rows["label"].cat.categories if label in present)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The labels without the two controls."""
        return tuple(label for label in self.labels if label not in (CONTROL, AA_CONTROL))

    @property
    def gaps(self) -> list[float]:
        """Gaps that were asked for, as multiples of the idle client timeout."""
        return sorted(self.rows["gap_ratio"].unique())

    def select(
        self, columns: Sequence[str], kind: RequestKind | None = None, label: str | None = None
    ) -> pd.DataFrame:
        """Rows of a kind and a label, with these columns only: a million rows of all columns are large."""
        chosen = pd.Series(True, self.rows.index)
        if kind is not None:
            chosen &= self.rows["kind"] == kind
        if label is not None:
            chosen &= self.rows["label"] == label
        return self.rows[list(columns)][chosen]


def varying(scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    """Facts that tell the scenarios apart, without facts that follow from others, to keep titles short."""
    names: list[str] = []
    apart = 1
    for name in sorted(scenarios[0].facts if scenarios else (), key=lambda name: name == "route"):
        found = len({tuple(str(one.facts[fact]) for fact in (*names, name)) for one in scenarios})
        if found > apart:
            names, apart = [*names, name], found
    return tuple(names)


def split(dataset: Dataset) -> tuple[Scenario, ...]:
    """Every scenario of which the dataset has counted rows, in the order of its rows."""
    names = [*FACTORS, *dataset.differing]
    rows = dataset.rows
    counted = rows if rows["counted"].all() else rows[rows["counted"]]
    sizes = counted["campaign"].value_counts()
    scenarios = []
    for values, rows in counted.groupby(names, observed=True, sort=False, dropna=False):
        assert isinstance(values, tuple)  # groupby yields tuples for several keys
        campaigns = list(rows["campaign"].unique())
        connections, events = (
            series[series["campaign"].isin(campaigns)] for series in (dataset.connections, dataset.events)
        )
        if sizes[campaigns].sum() > len(rows):
            connections = connections.iloc[:0]
        facts = dict(zip(names, values, strict=True))
        scenarios.append(Scenario(facts, float(rows["timeout_s"].iloc[0]), rows, connections, events))
    return tuple(scenarios)
