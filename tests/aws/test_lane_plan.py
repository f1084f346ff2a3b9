"""The staggered plan: whole seconds, gaps at least as long as asked for, and nobody in anybody's way."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolbench.aws.lane_plan import TURN_S, LanePlan, PlannedTurn, planned_s, stagger
from poolbench.campaign.file import CampaignFile
from poolbench.campaign.schedule import Lane, Step, expected_s, plan_lanes
from poolbench.model.row import Role
from tests.invocations import invocation

CELL = CampaignFile.load("smoke").campaign.cells()[0]

waits = st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0, 30.0]), min_size=1, max_size=12)


def lane(of: list[float]) -> Lane:
    return Lane(
        tuple(
            Step(cell=CELL, round=0, role=Role.MEASURE, wait_s=wait_s, sequence=number)
            for number, wait_s in enumerate([0.0, *of[1:]])
        )
    )


def blocks(one: Lane, offsets: tuple[int, ...]) -> list[tuple[int, float, float]]:
    """Start, end and wait before it of each run of steps that follow each other at once."""
    starts = [i for i, step in enumerate(one.steps) if i == 0 or step.wait_s]
    ends = [*starts[1:], len(one.steps)]
    return [
        (offsets[start], offsets[start] + TURN_S * (end - start), one.steps[start].wait_s)
        for start, end in zip(starts, ends, strict=True)
    ]


@given(st.lists(waits, min_size=1, max_size=6))
def test_planned_turns_do_not_overlap_and_gaps_are_kept(given_waits: list[list[float]]) -> None:
    lanes = [lane(of) for of in given_waits]
    planned = [blocks(one, offsets) for one, offsets in zip(lanes, stagger(lanes), strict=True)]
    everything = sorted(block for of_lane in planned for block in of_lane)
    assert all(end <= start for (_, end, _), (start, _, _) in itertools.pairwise(everything))
    for of_lane in planned:
        assert all(start - end >= wait_s for (_, end, _), (start, _, wait_s) in itertools.pairwise(of_lane))
    assert all(isinstance(offset, int) for offsets in stagger(lanes) for offset in offsets)


def test_lanes_with_equal_gaps_take_turns_and_wait_no_longer_than_that() -> None:
    lanes = [lane([0.0, 60.0, 60.0])] * 8
    assert stagger(lanes) == tuple((first, first + 61, first + 122) for first in range(8))


def test_staggering_costs_a_campaign_little_time() -> None:
    for name in ("aws", "aws-faithful"):
        campaign = CampaignFile.load(name).campaign
        lanes = plan_lanes(campaign, campaign.cells())
        assert expected_s(lanes) <= planned_s(lanes) <= 1.05 * expected_s(lanes)


def test_a_plan_is_read_as_it_was_written() -> None:
    planned = invocation("s3://bucket/campaigns", attempt=1, sequence=2, round=3, role=Role.PRIME)
    turn = PlannedTurn(invocation=planned, wait_s=1.5, offset_s=7, cell=CELL)
    plan = LanePlan(function="lane:live", function_timeout_s=60, starts_wall_ms=1, turns=(turn, turn))
    assert LanePlan.decode(plan.encode()) == plan
    assert replace(plan, turns=()) != plan
