"""Tables into dataclasses: every wrong key is named, secrets never are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.typed import BadValue, build, flatten


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner:
    number: int
    share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    colour: Colour = Colour.RED
    flag: bool = False
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    names: list[str] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)
    password: str = field(default="", repr=False)
    anything: Any = None


inners = st.builds(
    Inner, number=st.integers(-(2**63), 2**63 - 1), share=st.floats(allow_nan=False, allow_infinity=False)
)


@given(
    st.builds(
        Outer,
        name=st.text(),
        colour=st.sampled_from(Colour),
        flag=st.booleans(),
        inner=st.none() | inners,
        parts=st.lists(inners, max_size=3).map(tuple),
        names=st.lists(st.text(), max_size=3),
        counts=st.dictionaries(st.text(), st.integers(0, 9), max_size=3),
        password=st.text(),
    )
)
def test_what_was_written_is_read_again(outer: Outer) -> None:
    assert build(Outer, asdict(outer)) == outer


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "name is missing"),
        ({"name": "a", "naem": 1}, "top level: unknown 'naem': did you mean 'name'?"),
        ({"name": 1}, "name is 1, not str"),
        ({"name": "a", "flag": 1}, "flag is 1, not bool"),
        ({"name": "a", "colour": "blu"}, "colour: unknown 'blu': did you mean 'blue'?"),
        ({"name": "a", "inner": {"number": True}}, "inner.number is True, not int"),
        ({"name": "a", "inner": {"number": 1.5}}, "inner.number is 1.5, not int"),
        ({"name": "a", "inner": {"number": 2**63}}, "does not fit into 64 bits"),
        ({"name": "a", "inner": {"number": 1, "share": float("nan")}}, "inner.share is nan, not a finite"),
        ({"name": "a", "inner": 3}, "inner is 3, not a table"),
        ({"name": "a", "parts": 3}, "parts is 3, not a list"),
        ({"name": "a", "parts": [{"number": 1}, {}]}, "parts[1].number is missing"),
        ({"name": "a", "counts": {"x": "y"}}, "counts.x is 'y', not int"),
        ({"name": "a", "flag": 1, "inner": 3}, "flag is 1, not bool; inner is 3, not a table"),
        ([], "top level is list, not a table"),
    ],
)
def test_every_wrong_key_is_named(table: Any, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        build(Outer, table)
    assert message in str(caught.value)


def test_a_secret_appears_in_no_message() -> None:
    with pytest.raises(BadValue, match=r"^password is list, not str$"):
        build(Outer, {"name": "a", "password": ["s3cret"]})


def test_a_path_comes_before_the_keys_and_given_fields_are_not_the_tables() -> None:
    with pytest.raises(BadValue, match=r"^request: unknown 'name'.*; request.inner.number is missing$"):
        build(Outer, {"name": "b", "inner": {}}, "request", name="a")


def test_leaves_have_dotted_names() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": []}) == {"a.b": 1, "a.c.d": 2, "e": []}
