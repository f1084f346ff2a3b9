"""The proxy, and relays that add a round-trip time, as processes for the length of a `with` block."""

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poolbench.lab.certificates import issue
from poolbench.lab.platform import LOOPBACK
from poolbench.lab.process import Child
from poolbench.lab.proxy.config import MAIN, Port, ProxyConfig, ProxySettings
from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.faults import ProxyFault
from poolbench.lab.proxy.handshake import Tokens
from poolbench.lab.proxy.relay import check_range


@dataclass(frozen=True, slots=True)
class RunningRelay:
    """A relay that accepts clients on loopback."""

    host: str
    port: int
    child: Child


@contextlib.contextmanager
def running_relay(host: str, port: int, rtt_s: float, *, work_dir: Path) -> Iterator[RunningRelay]:
    """Run a relay to `host` and `port` that adds a round-trip time; its log is in `work_dir`.

    Raises:
        ValueError: the time is out of range.
        ChildFailed: it did not start.

    """
    check_range(rtt_s)
    command = [sys.executable, "-m", "poolbench.lab.proxy.relay", host, str(port), str(rtt_s)]
    child = Child(command, log=work_dir / f"rtt-{port}.log", announces=True)
    try:
        yield RunningRelay(LOOPBACK, child.announcement["port"], child)
    finally:
        child.stop()


TIMEOUT_S = 10


class ControlFailed(RuntimeError):
    """The control API did not do what it was asked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProxy:
    """A proxy that accepts clients.

    Attributes:
        host: where it listens.
        ports: by listener.
        control_url: of the control API; `/metrics` below it is for samplers.
        pid: of its process.
        authority: PEM file of the authority that its certificate is to be checked against.

    """

    host: str
    ports: Mapping[str, int]
    control_url: str
    pid: int
    authority: Path
    child: Child

    @property
    def port(self) -> int:
        """The first listener's port."""
        return next(iter(self.ports.values()))

    def metrics(self) -> dict[str, Any]:
        """Counters and gauges under CloudWatch's names; each a number, or numbers by group."""
        return dict(self._call("GET", "metrics"))

    def series(self) -> dict[str, Any]:
        """`names` of metrics, and `samples`: nanoseconds since the epoch, then a value for each name."""
        return dict(self._call("GET", "series"))

    def clients(self) -> list[dict[str, Any]]:
        """Client connections, open and recently closed, with the commands that each has sent."""
        return list(self._call("GET", "clients"))

    def events(self, **only: int) -> dict[str, Any]:
        """What happened: a `Selection`, its events by field; `only` are `EventLog.select`'s arguments."""
        return dict(self._call("GET", f"events?{urllib.parse.urlencode(only)}"))

    def change(self, **settings: Any) -> None:
        """Change settings, under their AWS names.

        Raises:
            ControlFailed: the setting does not exist, or the value is out of range.

        """
        self._call("PUT", "settings", settings)

    def fail(self, failure: ProxyFault, listener: str | None = None) -> None:
        """Switch a listener (the first one) to another failure.

        Raises:
            ControlFailed: the listener does not exist.

        """
        self._call("PUT", f"listeners/{listener or next(iter(self.ports))}", {"failure": failure})

    def stop(self) -> None:
        """End it, and with it every connection."""
        self.child.stop()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control_url}/{path}", data, method=method)  # noqa: S310 (ours)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ControlFailed(json.load(error)["error"]) from None


@contextlib.contextmanager
def running_proxy(
    settings: ProxySettings,
    *,
    backend: Backend,
    accounts: Mapping[str, str],
    tokens: Mapping[str, Tokens] | None = None,
    work_dir: Path,
    listeners: Mapping[str, Port] | None = None,
    control_port: int = 0,
    rtt_s: float = 0.0,
) -> Iterator[RunningProxy]:
    """Run a proxy on loopback; its log, its certificates and (briefly) its configuration are in `work_dir`.

    Args:
        settings: as of RDS Proxy.
        backend: the database, with a user who may see its settings.
        accounts: user to password; who may come in, and with what the proxy goes on to the database.
        tokens: of users who come in with a token instead.
        work_dir: made if it is not there.
        listeners: ports by name, and how clients die on each; default: one, of the name `main`.
        control_port: of the control API; 0 for any free one.
        rtt_s: round-trip time to add between clients and proxy, see `poolbench.lab.proxy.relay`; 0: none.

    Raises:
        ChildFailed: it did not start; the message ends with its own words.

    """
    folder = work_dir / "proxy"  # work_dir holds files of the same names for the database
    folder.mkdir(parents=True, exist_ok=True)
    config = ProxyConfig(
        backend=backend,
        accounts=dict(accounts),
        tokens=dict(tokens or {}),
        settings=settings,
        tls=issue(folder),
        listeners=dict(listeners or {MAIN: Port()}),
        control_port=control_port,
    )
    running = _start(config, folder)
    with contextlib.ExitStack() as ends:
        ends.callback(running.stop)
        if rtt_s:
            relays = {
                name: ends.enter_context(running_relay(running.host, port, rtt_s, work_dir=folder))
                for name, port in running.ports.items()
            }
            running = replace(running, ports={name: relay.port for name, relay in relays.items()})
        yield running


def _start(config: ProxyConfig, folder: Path) -> RunningProxy:
    assert config.tls is not None
    path = folder / "proxy.json"
    path.touch(mode=0o600)
    try:
        path.write_text(config.dump())
        command = [sys.executable, "-m", "poolbench.lab.proxy", str(path)]
        child = Child(command, log=folder / "proxy.log", announces=True)
    finally:
        path.unlink()
    return RunningProxy(**child.announcement, authority=config.tls.authority, child=child)
