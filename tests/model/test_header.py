"""Headers: old ones are upgraded, damaged and newer ones are refused in a line that names file and key."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poolbench.model.header import BadHeader, Header, read_header
from poolbench.model.history import SCHEMA

OLD = Path(__file__).parents[1] / "data" / "schema2"  # a campaign as poolbench 0.1 synced it


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    def edit(change: Callable[[dict[str, Any]], object]) -> Path:
        table = json.loads((OLD / "header.json").read_text())
        change(table)
        (tmp_path / "header.json").write_text(json.dumps(table))
        return tmp_path

    return edit


def test_a_header_of_the_first_version_is_upgraded() -> None:
    header = read_header(OLD)
    assert (header.schema, header.timeout_s, header.target.is_local) == (SCHEMA, 4.0, True)
    assert header.target.proxy_settings["IdleClientTimeout"] == 4.0
    first = header.cells[0]
    assert (first.label, first.route, first.endpoint, first.gap_asked_s) == (
        "queuepool",
        "proxy",
        "proxy_black_hole",
        first.gap_ratio * 4.0,
    )
    assert [cell.label for cell in header.cells if cell.aa_control][:1] == ["queuepool-twin"]
    assert {cell.strategy for cell in header.cells if cell.baseline} == {"no_database"}
    (session,) = header.sessions
    assert (session.how, session.other_labs, session.sampling is not None) == ("finished", 0, True)


def test_an_upgraded_header_is_read_again_as_it_is() -> None:
    header = read_header(OLD)
    assert Header.from_dict(header.as_dict(), "header.json") == header


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(schema=SCHEMA + 1), f"is not readable: its schema is {SCHEMA + 1}, and this"),
        (lambda h: h.update(schema="1"), "is not readable: its schema is '1', which is not a version"),
        (lambda h: h.pop("campaign"), "is damaged: campaign is missing; sync the campaign again"),
        (lambda h: h.update(colour=1), "is damaged: top level: unknown 'colour'"),
        (
            lambda h: h["target"].update(idle_client_timeout_s="2"),
            "target.idle_client_timeout_s is '2', not float",
        ),
        (lambda h: h["target"].pop("idle_client_timeout_s"), "target.idle_client_timeout_s is 0, and gaps"),
        (lambda h: h["server"].pop("version"), "server.version is missing"),
        (lambda h: h["cells"][3].update(gap_s=None), "cells[3].gap_asked_s is None, not float"),
        (lambda h: h["cells"][3].update(failure="flood"), "failure: unknown 'flood': there are idle_close"),
        (lambda h: h["sessions"][0].update(pid=1.5), "sessions[0].pid is 1.5, not int"),
        (lambda h: h.update(cells="none"), "cells is 'none', not a list"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_with_file_and_key(
    edited: Callable[..., Path], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(BadHeader) as caught:
        read_header(edited(change))
    said = str(caught.value)
    assert "header.json is " in said
    assert message in said
    assert "\n" not in said


def test_a_header_that_is_missing_or_half_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadHeader, match=r"header.json is missing: is this a synced campaign\?"):
        read_header(tmp_path)
    shutil.copy(OLD / "header.json", tmp_path)
    text = (tmp_path / "header.json").read_text()
    (tmp_path / "header.json").write_text(text[: len(text) // 2])
    with pytest.raises(BadHeader, match=r"header.json cannot be read: .*; sync the campaign again"):
        read_header(tmp_path)
