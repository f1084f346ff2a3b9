"""A row survives the journey through JSON, and nothing that is not a row passes for one."""

import json
from dataclasses import fields, replace
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.function.record import SCHEMA, Outcome, Role, Row, State, upgraded, validate


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if get_origin(kind) is UnionType:
        return st.one_of([_values(part) for part in get_args(kind)])
    known: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        int: st.integers(min_value=0, max_value=2**62),
        float: st.floats(min_value=0, allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        str: st.text(),
        Role: st.sampled_from(Role),
        State: st.sampled_from(State),
        Outcome: st.sampled_from(Outcome),
    }
    return known[kind]


_TYPES = get_type_hints(Row)
ROWS = st.builds(Row, **{name: _values(kind) for name, kind in _TYPES.items()} | {"schema": st.just(SCHEMA)})


@given(ROWS)
def test_a_row_is_the_same_after_a_round_trip_through_json(row: Row) -> None:
    assert Row.from_dict(json.loads(json.dumps(row.as_dict()))) == row


@given(ROWS, st.sampled_from([field.name for field in fields(Row)]))
def test_a_missing_field_is_named(row: Row, name: str) -> None:
    data = row.as_dict()
    del data[name]
    assert validate(data) == [f"missing {name}"]


@given(ROWS, st.sampled_from([field.name for field in fields(Row)]))
def test_a_field_of_another_type_is_named(row: Row, name: str) -> None:
    problems = validate(row.as_dict() | {name: ["a list"]})
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")


@given(ROWS)
def test_a_row_of_the_first_version_becomes_one_of_the_current(row: Row) -> None:
    old = {name: value for name, value in row.as_dict().items() if name != "thread"} | {"schema": 1}
    assert validate(old) == ["missing thread"]
    assert Row.from_dict(upgraded(old)) == replace(row, thread=0)


@pytest.mark.parametrize("version", [0, SCHEMA, SCHEMA + 1, "1", None])
def test_rows_of_no_older_version_are_left_as_they_are(version: object) -> None:
    assert upgraded({"schema": version}) == {"schema": version}


@given(ROWS)
def test_unknown_fields_and_other_schemas_are_refused(row: Row) -> None:
    with pytest.raises(ValueError, match="unknown field colour"):
        Row.from_dict(row.as_dict() | {"colour": "red"})
    with pytest.raises(ValueError, match=f"schema: {SCHEMA + 1} is not {SCHEMA}"):
        Row.from_dict(row.as_dict() | {"schema": SCHEMA + 1})


@given(ROWS)
def test_true_does_not_pass_for_a_number(row: Row) -> None:
    assert validate(row.as_dict() | {"connects": True}) != []
    assert validate(row.as_dict() | {"latency_s": False}) != []
