"""Latency in full, on requests written by hand."""

import math
from typing import Any

import pytest

from poolbench.report.metrics.latency import first_requests, phase_medians, strategy_requests, tails
from tests.report.frames import failed, request, scenario_of, warm


def test_medians_of_reused_and_opened_connections_are_apart_and_without_failures() -> None:
    requests = [
        *(request(ms=ms) for ms in (1, 2, 3)),
        *(request(ms=ms, connects=1) for ms in (7, 8, 9, 10)),
        failed(ms=50),
        request("pre_ping", ms=4),
    ]
    found = first_requests(scenario_of(requests))
    assert found.gaps == (1.5,)
    one = found.requests["queuepool", 1.5]
    assert list(one.latency) == [1, 2, 3, 7, 8, 9, 10, 50]
    assert (one.reused_median, one.opened_median, one.median) == (2, 8, 7)
    assert found.reference_median == 7
    assert math.isnan(found.requests["pre_ping", 1.5].opened_median)


def test_contenders_are_compared_after_the_timeout_and_warm() -> None:
    requests = [
        request(ms=30, wire_commands=7),
        request(ms=40, wire_commands=6),
        request(ms=90, observed_idle=0.9, wire_commands=99),
        *(warm(ms=ms, wire_commands=3) for ms in (1, 2, 6)),
    ]
    (found,) = strategy_requests(scenario_of(requests), ["lifo", "queuepool"])
    assert found.label == "queuepool"
    assert (found.after_timeout.median, found.after_timeout.commands) == (30, 6.5)
    assert (found.warm.median, found.warm.commands) == (2, 3)


def test_a_tail_falls_by_a_request_at_a_time_and_levels_off_at_the_failures() -> None:
    requests = [request(ms=10), request(ms=20), request(ms=40), failed(ms=1)]
    found = tails(scenario_of([*requests, request(ms=5, observed_idle=0.5)]))
    assert found is not None
    assert (found.left, found.right) == pytest.approx((3.5, 60))
    after = found.after["queuepool"]
    assert list(after.times) == pytest.approx([3.5, 10, 20, 40, 60])
    assert list(after.waiting) == pytest.approx([1, 0.75, 0.5, 0.25, 0.25])
    assert (after.failed, after.n) == (1, 4)
    within = found.within["queuepool"]
    assert list(within.times) == pytest.approx([3.5, 5])
    assert list(within.waiting) == [1, 1]  # zero has no place on a logarithmic axis
    assert (within.failed, within.n) == (0, 1)


def test_there_is_no_tail_without_a_successful_request() -> None:
    assert tails(scenario_of([failed(ms=1)])) is None


def test_phases_are_medians_of_the_parts_and_the_pool_is_the_rest_of_the_checkout() -> None:
    parts: dict[str, Any] = {
        "checkout_s": 0.010,
        "connect_s": 0.006,
        "ping_s": 0.001,
        "execute_s": 0.004,
        "reset_s": 0.002,
    }
    opened = [request(ms=ms, connects=1, **parts) for ms in (15, 16, 30)]
    reused = [request(ms=9, checkout_s=0.003, execute_s=0.005, reset_s=0.001)]
    found = phase_medians(scenario_of([*opened, *reused, failed(ms=99, connects=1, **parts)]))
    one = found.connected["queuepool"]
    assert dict(one.phases) == pytest.approx({"pool": 3, "ping": 1, "connect": 6, "execute": 4, "reset": 2})
    assert (one.whole, one.length) == pytest.approx((16, 16))
    other = found.reused["queuepool"]
    assert dict(other.phases) == pytest.approx({"pool": 3, "ping": 0, "connect": 0, "execute": 5, "reset": 1})
    assert found.warm == {}
