"""The proxy as a process of its own, for the length of a `with` block."""

import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lab.process import Child
from bench.lab.proxy.backend import Backend
from bench.lab.proxy.config import Config
from bench.lab.proxy.settings import ProxySettings

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class RunningProxy:
    """A proxy that accepts clients at host and port."""

    host: str
    port: int
    control_url: str
    pid: int
    _child: Child

    def metrics(self) -> dict[str, Any]:
        """Counters and gauges under CloudWatch's names; a number, or numbers by group."""
        metrics: dict[str, Any] = self._call("GET", "/metrics")
        return metrics

    def clients(self) -> list[dict[str, Any]]:
        """Client connections, open and recently closed, with the commands that each has sent."""
        clients: list[dict[str, Any]] = self._call("GET", "/clients")
        return clients

    def change(self, **settings: Any) -> None:
        """Change settings, under their AWS names.

        Raises:
            urllib.error.HTTPError: a setting is wrong.

        """
        self._call("PUT", "/settings", settings)

    def stop(self) -> None:
        """End it, and with it every connection."""
        self._child.stop()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data, method=method)  # noqa: S310 (ours)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)


@contextlib.contextmanager
def running_proxy(
    settings: ProxySettings, *, backend: Backend, accounts: Mapping[str, str], work_dir: Path
) -> Iterator[RunningProxy]:
    """Run a proxy on free loopback ports; its log and (briefly) its configuration lie in `work_dir`.

    Raises:
        ChildFailed: it did not start; the message ends with its own words.

    """
    config = Config(backend=backend, accounts=accounts, settings=settings)
    work_dir.mkdir(parents=True, exist_ok=True)
    path = work_dir / "proxy.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(config.dump())
    try:
        child = Child(
            [sys.executable, "-m", "bench.lab.proxy", str(path)], log=work_dir / "proxy.log", announces=True
        )
    finally:
        path.unlink()
    running = RunningProxy(**child.announcement, _child=child)
    try:
        yield running
    finally:
        running.stop()
