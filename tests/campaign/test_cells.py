"""Factors crossed, less what cannot be."""

from hypothesis import given
from hypothesis import strategies as st

from poolbench.campaign.cells import contenders
from poolbench.function.drivers import DRIVERS
from poolbench.function.strategies import CONTROL, REFERENCE, STRATEGIES, get, misfit
from poolbench.function.workload import WORKLOADS
from poolbench.model.failures import MODES


def some(names: object) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=5, unique=True)  # type: ignore[call-overload]


@given(some(STRATEGIES), some(DRIVERS), some(MODES), st.sampled_from(sorted(WORKLOADS)))
def test_every_combination_is_measured_or_told_to_be_left_out(
    strategies: list[str], drivers: list[str], failures: list[str], workload: str
) -> None:
    crossed, left_out = contenders(strategies, drivers, failures, workload)
    asked = [one for one in crossed if not one.aa_control and one.strategy != CONTROL]
    ids = [one.id for one in crossed]
    assert len(set(ids)) == len(ids)
    names = {*strategies, REFERENCE}
    measured = {(one.strategy, one.driver, one.failure) for one in asked}
    for name in names:
        for driver in drivers:
            for failure in failures:
                there = (name, driver, failure) in measured
                cannot = (
                    misfit(get(name), DRIVERS[driver])
                    or (get(name).token is not None and MODES[failure].direct)
                    or (name == "retry_once" and workload == "read_write")
                )
                assert there is not bool(cannot)
    assert len(measured) == len(asked)
    assert bool(left_out) is (len(asked) < len(names) * len(drivers) * len(failures))
    twin, control = crossed[-2:]
    assert (twin.strategy, twin.aa_control, control.strategy) == (REFERENCE, True, CONTROL)
