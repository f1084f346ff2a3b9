"""Start the AWS stand-in as a process of its own."""

import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolbench.lab.aws.environment import EnvironmentInfo
from poolbench.lab.aws.fleet import KEEP_IDLE_S
from poolbench.lab.aws.freezer import Freeze, NftablesUnavailable, library_path
from poolbench.lab.aws.function import BadFunction, FunctionConfig, python_version
from poolbench.lab.internals import MissingInternals, check_moto
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.process import Child, ChildFailed

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ignores http_proxy
_BASE_S, _PER_ENVIRONMENT_S = 30.0, 15.0  # patience with provisioning: dozens of environments on two cores


class AwsUnavailable(Exception):
    """The stand-in did not start, or does not answer; the message names the function or port, and why."""


@dataclass(frozen=True, slots=True)
class RunningAws:
    """A running service: where it listens, how it freezes, and control over its environments."""

    url: str
    freeze: Freeze
    _child: Child

    @property
    def pid(self) -> int:
        """Of the service."""
        return self._child.pid

    def environments(self) -> list[EnvironmentInfo]:
        """All environments there are; of each function the one used last is the last.

        Raises:
            AwsUnavailable: the service does not answer.

        """
        return [EnvironmentInfo(**entry) for entry in self._ask("environments")["environments"]]

    def replace(self, environment_id: str) -> str | None:
        """End an environment as Lambda does every few hours; return the id of its successor, if provisioned.

        Raises:
            AwsUnavailable: the environment does not exist, or its successor could not be initialised.

        """
        answer: str | None = self._ask("replace", {"environment": environment_id})["environment"]
        return answer

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until every provisioned environment is initialised and frozen.

        Raises:
            AwsUnavailable: one of them could not be initialised, or it took longer than `timeout_s`.

        """
        deadline = time.monotonic() + timeout_s
        while not self._ask("ready")["ready"]:
            if time.monotonic() > deadline:
                raise AwsUnavailable(f"provisioned environments are not ready after {timeout_s:g} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the service and all environments."""
        self._child.stop()

    def _ask(self, what: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if content is None else json.dumps(content).encode()
        try:
            with _DIRECT.open(f"{self.url}/_lab/{what}", data) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            body = error.read()
            if error.code != 503:  # not ready yet
                raise AwsUnavailable(json.loads(body)["error"]) from error
        except OSError as error:
            raise AwsUnavailable(f"the AWS service is gone: {error}\n{self._child.log_tail()}") from error
        found: dict[str, Any] = json.loads(body)
        return found


@contextlib.contextmanager
def running_aws(
    functions: Sequence[FunctionConfig],
    *,
    work_dir: Path,
    port: int = 0,
    freeze: Freeze = Freeze.SIGNAL,
    keep_idle_s: float = KEEP_IDLE_S,
) -> Iterator[RunningAws]:
    """Lambda with these functions, S3, Secrets Manager and Step Functions, for as long as the block runs.

    Every provisioned environment is initialised and frozen when the block begins.

    Args:
        functions: their names differ.
        work_dir: gets a directory `aws` with the logs.
        port: to listen on; 0 takes any free one.
        freeze: how environments are frozen; `DROP` needs root and a private network.
        keep_idle_s: after so long without a call an on-demand environment ends.

    Raises:
        BadFunction: a name occurs twice, a handler's package is not installed, an interpreter is of no use.
        AwsUnavailable: a provisioned environment could not be initialised, the port is taken, this machine
            cannot freeze like that, or moto has changed.

    """
    try:
        check_moto()
    except MissingInternals as changed:
        raise AwsUnavailable(str(changed)) from changed
    names = [config.name for config in functions]
    for name in names:
        if names.count(name) > 1:
            raise BadFunction(f"function {name} is defined twice")
    for config in functions:
        python_version(config.interpreter)
    libraries = _libraries(freeze)
    folder = work_dir / "aws"
    folder.mkdir(mode=0o700)
    described = [config.as_dict() for config in functions]
    settings = {"functions": described, "port": port, "freeze": freeze, "keep_idle_s": keep_idle_s}
    child = _start(settings, folder, libraries)
    try:
        if "error" in child.announcement:
            raise AwsUnavailable(child.announcement["error"])
        aws = RunningAws(child.announcement["url"], freeze, child)
        provisioned = sum(config.provisioned_concurrency for config in functions)
        aws.wait_ready(_BASE_S + _PER_ENVIRONMENT_S * provisioned)
        yield aws
    finally:
        child.stop()


def _start(settings: dict[str, Any], folder: Path, libraries: dict[str, str]) -> Child:
    config_file = folder / "config.json"
    config_file.touch(mode=0o600)
    config_file.write_text(json.dumps(settings))
    try:
        return Child(
            [sys.executable, "-m", "poolbench.lab.aws", str(config_file)],
            log=folder / "service.log",
            # Its state machines call it back, not through a web proxy.
            env={**os.environ, "NO_PROXY": f"{LOOPBACK},localhost", **libraries},
            announces=True,
        )
    except ChildFailed as failed:
        config_file.unlink(missing_ok=True)
        raise AwsUnavailable(f"the AWS service did not start: {failed}") from failed


def _libraries(freeze: Freeze) -> dict[str, str]:
    """Variables with which the service finds the library that a way of freezing needs."""
    if freeze is Freeze.SIGNAL:
        return {}
    try:
        folder = library_path()
    except NftablesUnavailable as error:
        raise AwsUnavailable(str(error)) from error
    known = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": os.pathsep.join(str(p) for p in (folder, known) if p)} if folder else {}
