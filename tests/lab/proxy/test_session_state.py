"""A session is brought into line with what its client has set: all of it, in order, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from poolbench.lab.proxy.session import Replay, SessionState, replay
from poolbench.lab.proxy.statements import TRACKED

NEW = SessionState(None, True, (("names", "utf8mb4"),))
FRESH = SessionState(None, True)  # a database connection of which nothing was asked yet


def commands(have: SessionState, want: SessionState) -> list[str]:
    steps = replay(have, want)
    assert steps is not None
    return [
        ("RESET " if steps.reset and not at else "") + each.decode() for at, each in enumerate(steps.commands)
    ]


def test_equal_sessions_need_nothing() -> None:
    assert replay(NEW, NEW) == Replay(reset=False, commands=())


def test_only_what_differs_is_set() -> None:
    want = NEW.with_schema("shop").with_autocommit(False).with_variables((("time_zone", "'+03:00'"),))
    assert commands(NEW, want) == ["\x02shop", "\x03SET SESSION time_zone = '+03:00', autocommit = 0"]


def test_a_new_database_connection_gets_the_character_set() -> None:
    assert commands(FRESH, NEW) == ["\x03SET NAMES utf8mb4"]


def test_what_the_other_left_behind_takes_a_reset_and_all_is_set_again() -> None:
    have = NEW.with_schema("shop").with_variables((("sql_mode", "'ANSI'"),))
    want = NEW.with_schema("shop")
    assert commands(have, want) == ["RESET \x02shop", "\x03SET NAMES utf8mb4, autocommit = 1"]


def test_a_schema_cannot_be_left() -> None:
    assert replay(NEW.with_schema("shop"), NEW) is None


def test_isolation_level_is_a_statement_of_its_own() -> None:
    want = NEW.with_variables(
        (("isolation level", "ISOLATION LEVEL SERIALIZABLE"), ("access mode", "READ ONLY"))
    )
    assert commands(NEW, want) == ["\x03SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"]


def test_the_later_of_two_ways_to_say_the_same_holds() -> None:
    state = NEW.with_variables((("character_set_results", "latin1"), ("names", "utf8mb3")))
    assert state.variables == (("names", "utf8mb3"),)
    state = NEW.with_variables((("tx_isolation", "'SERIALIZABLE'"), ("isolation level", "ISOLATION LEVEL X")))
    assert dict(state.variables) == {"names": "utf8mb4", "isolation level": "ISOLATION LEVEL X"}


NAMES = st.sampled_from(sorted(TRACKED - {"autocommit"}))
ASSIGNMENTS = st.lists(st.tuples(NAMES, st.sampled_from(["1", "2", "'x'"])), max_size=6).map(tuple)
STATES = st.builds(
    lambda assignments, autocommit: (
        NEW.with_schema("s").with_autocommit(autocommit).with_variables(assignments)
    ),
    ASSIGNMENTS,
    st.booleans(),
)


def apply(have: SessionState, steps: Replay) -> dict[str, str]:
    """What a server would have set after a replay; character sets as one, for they override each other."""
    known = {} if steps.reset else dict(have.variables)
    state = SessionState(have.schema, have.autocommit, tuple(known.items()))
    for command in steps.commands:
        text = command.decode()[1:]
        if text.startswith("SET SESSION TRANSACTION "):
            continue
        if command[0] == 3:
            for part in text.removeprefix("SET ").split(", "):
                if part.startswith("autocommit"):
                    continue
                name, _, assigned = part.removeprefix("SESSION ").partition(" = ")
                if part.startswith("NAMES"):
                    name, assigned = "names", part.removeprefix("NAMES ")
                elif part.startswith("CHARACTER SET"):
                    name, assigned = "character set", part.removeprefix("CHARACTER SET ")
                state = state.with_variables(((name, assigned),))
    return dict(state.variables)


@given(STATES, STATES)
def test_after_a_replay_the_session_is_what_was_wanted(have: SessionState, want: SessionState) -> None:
    steps = replay(have, want)
    assert steps is not None
    assert apply(have, steps) == dict(want.variables)
    assert (have.autocommit == want.autocommit and not steps.reset) or any(
        f"autocommit = {int(want.autocommit)}" in command.decode() for command in steps.commands
    )
