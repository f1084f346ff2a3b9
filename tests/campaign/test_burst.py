"""Bursts in campaign files: what they expand to, and how bad ones are refused."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.campaign import BadCampaign
from poolbench.campaign.beside import burst_interval_s
from poolbench.campaign.cells import contenders
from poolbench.campaign.checks import check
from poolbench.campaign.plan import Burst, Campaign, Factors, Repetition
from poolbench.campaign.schedule import plan_bursts
from poolbench.function.drivers import DEFAULT
from poolbench.function.strategies import CONTROL, STRATEGIES
from poolbench.model.failures import MODES, When
from tests.campaign.files import load

GOOD = """
name = "x"
description = "d"
seed = 7
idle_client_timeout_s = 2
[factors]
strategies = ["queuepool", "nullpool"]
failures = ["idle_close", "direct"]
environments = [1, 8]
threads = [1, 4]
[request]
requests = 2
[burst]
think_s = 0.1
"""


def test_cells_have_many_environments_or_many_threads(tmp_path: Path) -> None:
    campaign = load(tmp_path, GOOD)
    assert campaign.fleet == 8
    assert [cell.id for cell in campaign.cells()] == [
        "queuepool-1x1-0",
        "queuepool-8x1-0",
        "queuepool-1x4-0",
        "queuepool-direct-1x1-0",
        "queuepool-direct-8x1-0",
        "queuepool-direct-1x4-0",
        "nullpool-1x1-0",
        "nullpool-8x1-0",
        "nullpool-1x4-0",
        "nullpool-direct-1x1-0",
        "nullpool-direct-8x1-0",
        "nullpool-direct-1x4-0",
        "queuepool-twin-1x1-0",
        "queuepool-twin-8x1-0",
        "queuepool-twin-1x4-0",
        "no_database-1x1-0",
        "no_database-8x1-0",
    ]
    assert {cell.route for cell in campaign.cells() if cell.failure == "direct"} == {"database"}


@given(
    names=st.lists(st.sampled_from(sorted(STRATEGIES)), min_size=1, unique=True),
    failures=st.lists(
        st.sampled_from(
            [name for name, mode in MODES.items() if mode.when is When.ALWAYS and not mode.reaches_all]
        ),
        min_size=1,
        unique=True,
    ),
    environments=st.lists(st.integers(1, 64), max_size=5, unique=True),
    threads=st.lists(st.integers(1, 32), max_size=3, unique=True),
    replicates=st.integers(1, 3),
    seed=st.integers(0, 2**40),
)
def test_expansion_is_complete_and_its_order_is_that_of_the_seed(
    *,
    names: list[str],
    failures: list[str],
    environments: list[int],
    threads: list[int],
    replicates: int,
    seed: int,
) -> None:
    def expand() -> Campaign:
        return Campaign(
            name="p",
            description="",
            seed=seed,
            idle_client_timeout_s=2.0,
            factors=Factors(
                strategies=tuple(names),
                failures=tuple(failures),
                environments=tuple(environments),
                threads=tuple(threads),
            ),
            repetition=Repetition(replicates=replicates),
            burst=Burst(),
        )

    if not environments and not threads:
        with pytest.raises(BadCampaign, match="say how many at once"):
            check(expand())
        return
    cells = expand().cells()
    assert cells == expand().cells()
    assert len({cell.id for cell in cells}) == len(cells)
    wanted = {(number, 1) for number in environments} | {(1, number) for number in threads}
    alone = {shape for shape in wanted if shape[1] == 1}
    for contender in contenders(names, [DEFAULT], failures, "point_select")[0]:
        factors = (contender.strategy, contender.failure, contender.aa_control)
        mine = [cell for cell in cells if (cell.strategy, cell.failure, cell.aa_control) == factors]
        one_thread = contender.strategy == CONTROL or STRATEGIES[contender.strategy].conduct.holds_connection
        possible = alone if one_thread else wanted
        assert {(cell.environments, cell.threads) for cell in mine} == possible
        assert len(mine) == len(possible) * replicates
    ordered = plan_bursts(expand(), cells).cells
    assert ordered == plan_bursts(expand(), cells).cells
    assert sorted(ordered, key=lambda cell: cell.id) == sorted(cells, key=lambda cell: cell.id)


def test_a_connection_that_is_held_is_not_shared_by_threads(tmp_path: Path) -> None:
    campaign = load(tmp_path, GOOD.replace('"nullpool"', '"held"'))
    assert campaign.left_out() == (
        "held with several threads: they cannot share the one connection that it keeps open",
    )
    assert {cell.threads for cell in campaign.cells() if cell.strategy == "held"} == {1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("think_s", "thinks"), "burst: unknown 'thinks': did you mean 'think_s'?"),
        (("think_s = 0.1", "think_s = -1"), "burst.think_s is -1: use 0 to 60"),
        (("think_s = 0.1", "think_s = nan"), "burst.think_s is nan, not a finite number"),
        (("think_s = 0.1", "tail_timeouts = 0"), "burst.tail_timeouts is 0: use 0.1 to 100"),
        (("think_s = 0.1", "max_connections = 5"), "burst.max_connections is 5: use 10 to"),
        (
            ("think_s = 0.1", "max_connections_percent = 0"),
            "max_connections_percent is 0: use 1 to 100",
        ),
        (("[burst]\nthink_s = 0.1", "burst = 3"), "is 3, not a table"),
        (("[burst]\nthink_s = 0.1", ""), "are of a burst: add a table [burst]"),
        (("environments = [1, 8]", "gaps = [1]"), "factors.gaps: a burst has none"),
        (("environments = [1, 8]", "environments = [0]"), "factors.threads: use 1 to 1000"),
        (("threads = [1, 4]", "threads = [100000]"), "factors.threads: use 1 to 1000"),
        (("environments = [1, 8]", "environments = [8, 8]"), "factors.environments: 8 given twice"),
        (("environments = [1, 8]", 'environments = ["1"]'), "factors.environments[0] is '1', not int"),
        (("idle_close", "server_restart"), "factors.failures: server_restart cannot be had in a burst"),
        (("threads = [1, 4]", 'drivers = ["asyncmy"]'), "a burst is measured with pymysql alone"),
        (("[burst]", "[repetition]\nlanes = 2\n[burst]"), "repeated by repetition.replicates alone"),
        (("requests = 2", "requests = 2\npooled = 2"), "request.pooled"),
        (("requests = 2", "requests = 2\ndeadline_s = 25\n"), "is not below function_timeout_s = 60"),
    ],
)
def test_a_bad_burst_is_refused_with_its_cure(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    text = GOOD.replace(*change)
    if "burst = 3" in text:  # of the top level, before the first table
        text = "burst = 3\n" + text.replace("burst = 3", "")
    with pytest.raises(BadCampaign, match=re.escape(message)):
        load(tmp_path, text)


@pytest.mark.parametrize(("timeout_s", "interval_s"), [(1.0, 0.05), (2.0, 0.05), (4.0, 0.1), (1800.0, 0.25)])
def test_samples_are_as_dense_as_the_time_that_is_watched_allows(timeout_s: float, interval_s: float) -> None:
    assert burst_interval_s(timeout_s) == interval_s
