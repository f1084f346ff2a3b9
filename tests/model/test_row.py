"""A row survives the journey through JSON, and nothing that is not a row passes for one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.model.columns import REQUIRED, columns, flat, unflat
from poolbench.model.history import SCHEMA, FromTheFuture, upgraded_row
from poolbench.model.row import Failure, Instant, Observation, Outcome, Phases, Role, Row, State, Visit
from poolbench.typed import BadValue

whole = st.integers(min_value=0, max_value=2**62)
seconds = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


def _values(kind: type) -> st.SearchStrategy[Any]:
    known: dict[type, st.SearchStrategy[Any]] = {
        int: whole,
        float: seconds,
        bool: st.booleans(),
        str: st.text(),
        Role: st.sampled_from(Role),
        State: st.sampled_from(State),
        Outcome: st.sampled_from(Outcome),
    }
    return known[kind]


COLUMNS = columns(Row)
TABLES = st.fixed_dictionaries(
    {
        name: _values(column.kind) | st.none() if column.nullable else _values(column.kind)
        for name, column in COLUMNS.items()
    }
    | {"schema": st.just(SCHEMA)}
)
ROWS = TABLES.map(lambda table: unflat(Row, table))
REQUIRED_COLUMNS = [name for name, column in COLUMNS.items() if column.default is REQUIRED]


@given(ROWS)
def test_a_row_is_the_same_after_a_round_trip_through_json(row: Row) -> None:
    assert unflat(Row, json.loads(json.dumps(row.as_dict()))) == row


def test_parts_are_flat_and_those_of_which_there_are_two_have_a_prefix() -> None:
    row = Row(
        visit=Visit(campaign="c", cell="x", attempt=0, sequence=3, round=1, role=Role.MEASURE),
        request=0,
        state=State.LATER,
        environment="e",
        initialization="on-demand",
        environment_ordinal=5,
        engine_ordinal=4,
        due_wall_ns=1,
        sent_wall_ns=2,
        started=Instant(3, 4, 5),
        done=Instant(6, 7, 8),
        gap_s=None,
        latency_s=0.5,
        phases=Phases(checkout_s=0.25),
        seen=Observation(connects=1, connection_id=77),
        outcome=Outcome.ERROR,
        failure=Failure(error_class="E", error_code=2013),
    )
    table = row.as_dict()
    assert list(table) == list(COLUMNS)
    assert (table["sequence"], table["role"], table["thread"]) == (3, "measure", 0)
    assert [
        table[f"{moment}_{clock}_ns"] for moment in ("started", "done") for clock in ("wall", "boottime")
    ] == [
        *(3, 5),
        *(6, 8),
    ]
    assert (table["checkout_s"], table["connects"], table["connection_id"]) == (0.25, 1, 77)
    assert (table["error_code"], table["error_message"]) == (2013, None)
    assert row.visit.key == "c/rows/x/0-00003.jsonl"


@given(ROWS, st.sampled_from(REQUIRED_COLUMNS))
def test_a_missing_column_is_named(row: Row, name: str) -> None:
    table = row.as_dict()
    del table[name]
    with pytest.raises(BadValue, match=r"^[a-z.]*\w+ is missing$"):
        unflat(Row, table)


@given(ROWS, st.sampled_from(sorted(COLUMNS)))
def test_a_column_of_another_type_is_named(row: Row, name: str) -> None:
    with pytest.raises(BadValue) as caught:
        unflat(Row, row.as_dict() | {name: ["a list"]})
    assert name.removeprefix("started_").removeprefix("done_") in str(caught.value)


@given(ROWS)
def test_true_does_not_pass_for_a_number(row: Row) -> None:
    for name in ("connects", "latency_s"):
        with pytest.raises(BadValue, match=name):
            unflat(Row, row.as_dict() | {name: True})


@given(ROWS)
def test_an_unknown_column_is_named_with_the_nearest_one(row: Row) -> None:
    with pytest.raises(BadValue, match="unknown 'latency': did you mean 'latency_s'"):
        unflat(Row, row.as_dict() | {"latency": 1.0})


@given(ROWS)
def test_rows_of_older_versions_become_rows_of_the_current(row: Row) -> None:
    table = row.as_dict()
    old = {**table, "schema": 2, "state": "steady" if row.state is State.LATER else row.state.value}
    del old["replacements"]
    current = flat(unflat(Row, upgraded_row(old)))
    assert current == table | {"replacements": None}
    del old["thread"]
    assert flat(unflat(Row, upgraded_row(old | {"schema": 1}))) == current | {"thread": 0}


@pytest.mark.parametrize(
    ("version", "why"), [(SCHEMA + 1, "upgrade poolbench"), (0, "not a version"), ("1", "not a version")]
)
def test_a_row_of_another_version_is_refused(version: object, why: str) -> None:
    with pytest.raises(FromTheFuture, match=why):
        upgraded_row({"schema": version})


def test_a_current_row_stays_as_it_is() -> None:
    assert upgraded_row({"schema": SCHEMA, "endpoint": 1}) == {"schema": SCHEMA, "endpoint": 1}
