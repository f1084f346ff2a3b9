from pathlib import Path

import pytest

from poolbench.report.load import Dataset, load
from poolbench.report.page import Report, write_report
from poolbench.report.scenarios import Scenario, split
from tests.report.synthetic import write_campaign


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean campaign of 4,800 rows; tests that change files make their own."""
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="session")
def report(campaign: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report([campaign], tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def dataset(campaign: Path) -> Dataset:
    return load([campaign])


@pytest.fixture(scope="session")
def scenario(dataset: Dataset) -> Scenario:
    (only,) = split(dataset)
    return only
