"""A campaign that an earlier version synced reports the numbers that it reported then."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolbench.report.load import load
from poolbench.report.page import summary_of

OLD = Path(__file__).parents[1] / "data" / "schema2"  # with the summary that poolbench 0.1 made of it


def numbers(tree: Any) -> Iterator[float]:
    """Yield every number, whatever the keys are called."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name != "schema":
                yield from numbers(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from numbers(value)
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield float(tree)


def test_the_numbers_are_those_of_then() -> None:
    then = sorted(numbers(json.loads((OLD / "summary.json").read_text())))
    now = sorted(numbers(json.loads(json.dumps(summary_of(load([OLD]))))))
    assert len(then) > 500
    assert now == pytest.approx(then)
