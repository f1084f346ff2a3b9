"""What behaviour tests share: one real server for the whole run."""

import os
from collections.abc import Iterator

import pytest

from bench.lab.mysql import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The database server of POOLBENCH_SERVER, or the first that this machine has or can get.

    It is shared: tests make schemas and users of their own, and do not restart it.
    """
    choice = os.environ.get("POOLBENCH_SERVER") or None
    with running_server(choice, work_dir=tmp_path_factory.mktemp("server")) as running:
        yield running
