from pathlib import Path

import pytest

from tests.analysis.synthetic import write_campaign


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean campaign of 4,800 rows; tests that change files make their own."""
    return write_campaign(tmp_path_factory.mktemp("campaign"))
