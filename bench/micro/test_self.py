"""What the suite itself costs, and how much two measurements of the same thing differ."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from bench.function.strategies import REFERENCE
from bench.micro.conftest import request
from bench.micro.paired import Paired


@pytest.mark.benchmark(group="the suite itself")
def test_null(paired: Paired) -> None:
    paired(lambda: None, reference=lambda: None)


@pytest.mark.benchmark(group="the suite itself")
def test_a_against_a(engine_of: Callable[..., Engine], paired: Paired) -> None:
    one, other = engine_of(REFERENCE), engine_of(REFERENCE)
    paired(lambda: request(one), reference=lambda: request(other), strategy=REFERENCE, wire_commands=2)
