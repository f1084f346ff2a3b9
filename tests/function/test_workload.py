"""Workloads notice a wrong answer, whatever the database says about success."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, delete

from poolbench.function.workload import ITEMS, WORKLOADS, items, large, point_select, read_write
from poolbench.model.row import Outcome
from tests.function.conftest import Application

Connect = Callable[..., Application]


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
def test_every_workload_runs_on_the_server(connect: Connect, workload: str) -> None:
    assert connect("queuepool").request(WORKLOADS[workload]).outcome is Outcome.OK


@pytest.mark.parametrize("workload", [point_select, read_write, large])
def test_rows_that_are_gone_are_a_wrong_answer(
    connect: Connect, workload: Callable[[Connection], None]
) -> None:
    def on_an_emptied_table(connection: Connection) -> None:
        connection.execute(delete(items))  # undone by the pool's ROLLBACK
        workload(connection)

    client = connect("queuepool")
    measured = client.request(on_an_emptied_table)
    assert measured.outcome is Outcome.ERROR
    assert client.request().outcome is Outcome.OK


def test_the_large_result_is_all_there_is(connect: Connect) -> None:
    with connect("queuepool").engine.connect() as connection:
        assert len(connection.execute(items.select()).all()) == ITEMS
