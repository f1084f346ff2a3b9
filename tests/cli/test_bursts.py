"""Bursts on the command line: the plan, the memory that they need, and what the lab is set to for them."""

from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile
from poolbench.lab.mysql import ServerOptions
from poolbench.lab.platform import IS_LINUX, available_memory_mb
from poolbench.lab.proxy import ProxySettings
from poolbench.targets import lab
from poolbench.targets.faults import proxy_settings, server_options
from poolbench.targets.lab import ENVIRONMENT_MB, check_memory, lanes_of
from tests.users import run_poolbench

CONCURRENCY = CampaignFile.load("concurrency").campaign
QUICK = CampaignFile.load("quick").campaign


def test_a_plan_shows_cells_in_their_order_and_time_and_runs_nothing(tmp_path: Path) -> None:
    code, output = run_poolbench(tmp_path, "plan", "concurrency")
    assert code == 0
    assert "46 cells, one after the other, on up to 64 environments at once" in output
    assert "queuepool-direct-64x1-0" in output
    assert "aws_sample-1x16-0" in output
    assert list(tmp_path.iterdir()) == []


def test_more_environments_than_there_is_memory_for_are_refused_with_how_many_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lab, "available_memory_mb", lambda: 64 * ENVIRONMENT_MB - 1)
    with pytest.raises(BadCampaign, match=r"64 at once need about .* MB left: use at most 63"):
        check_memory(CONCURRENCY)
    check_memory(QUICK)
    monkeypatch.setattr(lab, "available_memory_mb", lambda: None)  # a system that does not tell
    check_memory(CONCURRENCY)


@pytest.mark.skipif(not IS_LINUX, reason="the system does not tell")
def test_available_memory_is_some() -> None:
    assert 16 < (available_memory_mb() or 0) < 1 << 24


def test_a_burst_has_a_fleet_and_no_lanes() -> None:
    assert (lanes_of(CONCURRENCY), CONCURRENCY.fleet) == (0, 64)
    assert (lanes_of(QUICK), QUICK.fleet) == (36, 0)


def test_the_proxy_of_a_burst_keeps_database_connections_as_long_as_rds_proxy_to_scale() -> None:
    usual, settings = ProxySettings(), proxy_settings(CONCURRENCY)
    assert settings.max_idle_connections_percent == 0
    assert settings.max_connections_percent == 90
    assert settings.database_idle_after / settings.idle_client_timeout == pytest.approx(
        usual.database_idle_after / usual.idle_client_timeout
    )
    quick = replace(usual, idle_client_timeout=QUICK.idle_client_timeout_s)
    assert proxy_settings(QUICK) == quick


def test_the_server_has_the_connections_that_the_burst_asks_for() -> None:
    assert server_options(CONCURRENCY).max_connections == 50
    assert server_options(QUICK) == ServerOptions()
