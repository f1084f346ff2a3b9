"""What the suite itself costs, and how much two measurements of the same thing differ."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL

from micro.cases import A_AGAINST_A, Case, Group, Make, plain_request
from micro.paired import PairedBenchmark


@contextmanager
def nothing(_at: URL) -> Iterator[Case]:
    yield Case(lambda: None)


SAME: dict[str, Make] = {"nothing": nothing, A_AGAINST_A: plain_request}


@pytest.mark.benchmark(group=Group.SELF)
@pytest.mark.parametrize("what", SAME)
def test_same(what: str, paired: PairedBenchmark) -> None:
    paired(SAME[what], reference=SAME[what])
