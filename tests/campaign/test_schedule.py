"""Lanes: every cell is measured as often as the file says, in an order that the seed decides."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.plan import Campaign, Factors, Repetition
from poolbench.campaign.schedule import WINDOW_S, Lane, expected_s, plan_lanes
from poolbench.model.row import Role

CAMPAIGNS = st.builds(
    lambda seed, gaps, lanes, replicates, rounds, gaps_per_round: Campaign(
        name="p",
        description="",
        seed=seed,
        idle_client_timeout_s=1.0,
        factors=Factors(strategies=("queuepool", "nullpool"), gaps=tuple(gap / 10 for gap in gaps)),
        repetition=Repetition(
            lanes=lanes, replicates=replicates, rounds=rounds, gaps_per_round=gaps_per_round
        ),
    ),
    st.integers(),
    st.lists(st.integers(0, 50), min_size=1, max_size=5, unique=True),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
)


@given(CAMPAIGNS)
def test_every_cell_is_measured_on_one_lane_as_often_as_asked(campaign: Campaign) -> None:
    cells, repetition = campaign.cells(), campaign.repetition
    lanes = plan_lanes(campaign, cells)
    assert len(lanes) <= repetition.lanes
    on_lanes = [cell for lane in lanes for cell in {step.cell.id for step in lane.steps}]
    assert sorted(on_lanes) == sorted(cell.id for cell in cells)
    steps = [step for lane in lanes for step in lane.steps]
    measured = Counter(step.cell.id for step in steps if step.role is Role.MEASURE)
    assert set(measured.values()) == {repetition.rounds * repetition.gaps_per_round}
    primed = Counter((step.cell.id, step.round) for step in steps if step.role is Role.PRIME)
    assert set(primed.values()) == {1}
    assert len({(step.cell.id, step.sequence) for step in steps}) == len(steps)


@given(CAMPAIGNS)
def test_a_visit_primes_and_then_waits_before_each_measurement(campaign: Campaign) -> None:
    per_visit = 1 + campaign.repetition.gaps_per_round
    for lane in plan_lanes(campaign, campaign.cells()):
        for start in range(0, len(lane.steps), per_visit):
            prime, *measures = lane.steps[start : start + per_visit]
            assert (prime.role, prime.wait_s) == (Role.PRIME, 0.0)
            assert {(step.cell, step.round) for step in measures} == {(prime.cell, prime.round)}
            assert {(step.role, step.wait_s) for step in measures} == {(Role.MEASURE, prime.cell.gap_asked_s)}
        rounds = [step.round for step in lane.steps]
        assert rounds == sorted(rounds)


@given(CAMPAIGNS)
def test_the_seed_decides_the_order(campaign: Campaign) -> None:
    assert plan_lanes(campaign, campaign.cells()) == plan_lanes(campaign, campaign.cells())


def test_another_seed_gives_another_order() -> None:
    quick = CampaignFile.load("quick").campaign
    orders = {
        tuple(step.cell.id for step in lane.steps)
        for seed in (1, 2)
        for lane in plan_lanes(replace(quick, seed=seed), quick.cells())
    }
    assert len(orders) > len(plan_lanes(quick, quick.cells()))


def test_the_lanes_of_quick_are_balanced_to_a_tenth() -> None:
    quick = CampaignFile.load("quick").campaign
    lanes = plan_lanes(quick, quick.cells())
    ideal = sum(lane.estimate_s for lane in lanes) / len(lanes)
    assert expected_s(lanes) <= 1.1 * ideal


@given(CAMPAIGNS)
def test_no_lane_has_more_to_do_than_four_thirds_of_what_any_plan_needs(campaign: Campaign) -> None:
    """Graham (1969). Some lane gets k of the (k - 1) * lanes + 1 longest cells, whoever plans it."""
    lanes = plan_lanes(campaign, campaign.cells())
    rounds, gaps = campaign.repetition.rounds, campaign.repetition.gaps_per_round
    needed = sorted(
        (rounds * (cell.gap_asked_s * gaps + WINDOW_S * (1 + gaps)) for cell in campaign.cells()),
        reverse=True,
    )
    assert sum(lane.estimate_s for lane in lanes) == pytest.approx(sum(needed))
    shares = [(place // len(lanes) + 1) * needed[place] for place in range(0, len(needed), len(lanes))]
    lower_bound = max(sum(needed) / len(lanes), *shares)
    assert max(lane.estimate_s for lane in lanes) <= 4 / 3 * lower_bound + 1e-9


@given(CAMPAIGNS)
def test_waits_overlap_and_windows_do_not(campaign: Campaign) -> None:
    lanes: tuple[Lane, ...] = plan_lanes(campaign, campaign.cells())
    assert expected_s(lanes) >= max(lane.waiting_s for lane in lanes)
    assert expected_s(lanes) <= sum(lane.estimate_s for lane in lanes)
