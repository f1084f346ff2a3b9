"""A campaign goes on only under the conditions that it was begun with."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from poolbench.campaign.file import CampaignFile
from poolbench.campaign.header import Different, check_same, make_header, new_id
from poolbench.model.header import Git, Header
from tests.campaign.stored import DESCRIBED, TARGET


def header() -> Header:
    return make_header("smoke-1", CampaignFile.load("smoke"), TARGET, copy.deepcopy(DESCRIBED))


def test_a_header_tells_what_the_campaign_ran_with() -> None:
    made = header()
    assert made.versions["sqlalchemy"] == "2.1.9"
    assert made.target == replace(TARGET, idle_client_timeout_s=1.0)
    assert made.file_text == CampaignFile.load("smoke").text
    assert len(made.cells) == 18
    assert made.machine.cores >= 1
    assert made.machine.memory_bytes > 1e8


def test_the_same_conditions_are_the_same_on_another_day() -> None:
    stored = Header.from_dict(json.loads(json.dumps(header().as_dict())), "header.json")
    later = replace(stored, created_wall_ns=1, git=Git(commit="other", dirty=True))
    check_same(header(), later)
    check_same(later, header())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["server"].update(version="8.4.1"), "server.version: '8.4.0' then, '8.4.1' now"),
        (lambda h: h["versions"].update(sqlalchemy="2.0.58"), "versions.sqlalchemy: '2.1.9' then"),
        (lambda h: h["target"].update(freeze="none"), "target.freeze: 'SIGSTOP' then, 'none' now"),
        (
            lambda h: h["target"]["proxy_settings"].update(InitQuery="SET x = 1"),
            "target.proxy_settings.InitQuery: '' then, 'SET x = 1' now",
        ),
        (lambda h: h["target"].update(bundle="1"), "target.bundle: None then, '1' now"),
    ],
)
def test_other_conditions_are_refused_and_named(change: Callable[[Any], None], message: str) -> None:
    table = header().as_dict()
    change(table)
    with pytest.raises(Different, match=re.escape(message)):
        check_same(header(), Header.from_dict(table, "header.json"))


def test_a_changed_file_is_refused_with_the_lines_that_differ() -> None:
    old = header()
    changed = CampaignFile.load("smoke").text.replace("rounds = 2", "rounds = 3")
    now = replace(old, file_text=changed, file_sha256="other")
    with pytest.raises(Different, match=r"it had \['rounds = 2'\], now \['rounds = 3'\]"):
        check_same(old, now)


def test_ids_sort_by_time_and_differ_within_a_second() -> None:
    made = {new_id("quick") for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"quick-\d{8}T\d{6}Z-[0-9a-f]{4}", campaign) for campaign in made)
