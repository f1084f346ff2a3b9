"""What a request does with its connection, and the table that it does it to."""

import difflib
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, select, text

from poolbench.function.user_code import import_function

ITEMS = 1000


class UnknownWorkload(ValueError):
    """No workload of that name; the message has the nearest one."""


class WrongAnswer(Exception):
    """The database answered, but not what was stored."""


_metadata = MetaData()
items = Table(
    "poolbench_items",  # it may be made in somebody's own schema
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("label", String(64), nullable=False),
    Column("hits", Integer, nullable=False, server_default="0"),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)


def label_of(item: int) -> str:
    """Label stored for an item; beyond ASCII and the BMP, so that a charset mistake shows."""
    return f"item-{item:04d}-žluť-🦆"


def seed(engine: Engine) -> None:
    """Create and fill the table; harmless when it is there already."""
    _metadata.create_all(engine)
    fill = items.insert().prefix_with("IGNORE", dialect="mysql").prefix_with("OR IGNORE", dialect="sqlite")
    with engine.begin() as connection:
        connection.execute(fill, [{"id": item, "label": label_of(item)} for item in range(1, ITEMS + 1)])


def point_select(connection: Connection) -> None:
    """One row by primary key."""
    item = random.randint(1, ITEMS)
    found = connection.execute(select(items.c.label).where(items.c.id == item)).scalar_one_or_none()
    if found != label_of(item):
        raise WrongAnswer(f"item {item}: {found!r} is not {label_of(item)!r}")


def read_write(connection: Connection) -> None:
    """One row read, changed and committed."""
    item = random.randint(1, ITEMS)
    this = items.c.id == item
    before = connection.execute(select(items.c.hits).where(this)).scalar_one()
    changed = connection.execute(items.update().where(this).values(hits=items.c.hits + 1)).rowcount
    after = connection.execute(select(items.c.hits).where(this)).scalar_one()
    connection.commit()
    if changed != 1 or after <= before:
        raise WrongAnswer(f"item {item}: {changed} rows changed, hits {before} and then {after}")


def several(connection: Connection) -> None:
    """Five single rows, one statement after the other."""
    for _ in range(5):
        point_select(connection)


def slow(connection: Connection) -> None:
    """A statement that takes 50 ms at the server."""
    slept = connection.execute(text("SELECT SLEEP(0.05)")).scalar_one()
    if slept != 0:
        raise WrongAnswer(f"SLEEP(0.05) was interrupted: {slept!r}")


def large(connection: Connection) -> None:
    """Every row there is, some 30 KB."""
    rows = connection.execute(select(items.c.id, items.c.label).order_by(items.c.id)).all()
    if [tuple(row) for row in rows] != [(item, label_of(item)) for item in range(1, ITEMS + 1)]:
        raise WrongAnswer(f"{len(rows)} rows, not the {ITEMS} that were stored")


Workload = Callable[[Connection], None]
WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {workload.__name__: workload for workload in (point_select, read_write, several, slow, large)}
)
NOT_TWICE = frozenset({read_write.__name__})  # who has a request of his own knows of it, and names no retry


def get_workload(name: str) -> Workload:
    """Look up a workload; `package.module:function` is somebody's own, which takes a Connection.

    It must raise when an answer is wrong. It is imported where it is named: by the plan, and by the function.

    Raises:
        UnknownWorkload: a workload or function of that name does not exist.

    """
    if ":" in name:
        try:
            return import_function(name)
        except ImportError as error:
            raise UnknownWorkload(f"workload {name!r} cannot be imported: {error}") from error
    if name not in WORKLOADS:
        near = difflib.get_close_matches(name, WORKLOADS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(WORKLOADS)}"
        raise UnknownWorkload(f"unknown {name!r}: {hint}")
    return WORKLOADS[name]
