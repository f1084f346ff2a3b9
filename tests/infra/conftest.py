"""The tools that check infra/, the templates as CloudFormation sees them, and a bundle."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from poolbench.aws.bundle import Bundle
from poolbench.aws.pack import INFRA, make_bundle

CHECKS = INFRA.parent / "build" / "checks"
Run = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Expanded:
    """A template without loops and serverless resources."""

    template: dict[str, Any]
    permissions: dict[str, dict[str, list[str]]]  # resource type -> handler -> actions

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by name."""
        resources = self.template["Resources"]
        return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


@pytest.fixture(scope="session")
def tool() -> Callable[..., Run]:
    """Run a tool out of build/checks, with nobody's credentials and, unless a test says otherwise, no AWS."""

    def run(name: str, *arguments: str | Path, **variables: str) -> Run:
        path = CHECKS / name
        assert path.exists(), f"{path} is not there: make checks"
        environment = {
            **os.environ,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nobody",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "SAM_CLI_TELEMETRY": "0",
            **variables,
        }
        return subprocess.run(
            [path, *arguments], env=environment, cwd=INFRA, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="session")
def templates(tool: Callable[..., Run]) -> list[Expanded]:
    """The stack's template and the deployer's, after their transforms."""
    done = tool("sam/bin/python", "expand.py", "template.yaml", "deployer.yaml")
    assert done.returncode == 0, done.stderr
    return [Expanded(**one) for one in json.loads(done.stdout)]


@pytest.fixture(scope="session")
def expanded(templates: list[Expanded]) -> Expanded:
    """The stack's."""
    return templates[0]


@pytest.fixture(scope="session")
def deployer(templates: list[Expanded]) -> Expanded:
    """The deployer's."""
    return templates[1]


OWN_ENGINES = """
from sqlalchemy import URL, Engine, NullPool, create_engine

def make(url: URL) -> Engine:
    return create_engine(url, poolclass=NullPool)
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle for this Python and machine, with a module of somebody's own."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "own_engines.py").write_text(OWN_ENGINES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        return make_bundle(folder / "bundle.zip", modules=["own_engines"])
