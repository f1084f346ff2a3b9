"""What the suite itself costs, and how much two measurements of the same thing differ."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL

from bench.function.strategies import REFERENCE
from bench.micro.cases import Case, plain_request
from bench.micro.paired import Paired

pytestmark = pytest.mark.benchmark(group="the suite itself")


@contextmanager
def nothing(_at: URL) -> Iterator[Case]:
    yield Case(lambda: None)


def test_nothing(paired: Paired) -> None:
    paired(nothing, reference=nothing)


def test_a_against_a(paired: Paired) -> None:
    paired(plain_request, reference=plain_request, strategy=REFERENCE)
