"""What the suite itself costs, and how much two measurements of the same thing differ."""

import pytest
from sqlalchemy import URL

from bench.function.strategies import REFERENCE
from bench.micro.paired import Case, Paired
from bench.micro.requests import EngineOf, request

pytestmark = pytest.mark.benchmark(group="the suite itself")


def test_nothing(paired: Paired) -> None:
    paired(lambda _at: Case(lambda: None), reference=lambda: None)


def test_a_against_a(url: URL, engine_of: EngineOf, paired: Paired) -> None:
    def make(at: URL) -> Case:
        engine = engine_of(REFERENCE, at)
        return Case(lambda: request(engine))

    other = engine_of(REFERENCE, url)
    paired(make, reference=lambda: request(other), strategy=REFERENCE)
