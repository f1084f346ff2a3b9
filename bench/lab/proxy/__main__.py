"""Command line: `python -m bench.lab.proxy CONFIG`."""

import argparse
import asyncio
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from bench.lab.proxy.backend import DatabaseUnavailable
from bench.lab.proxy.config import Config, ConfigError
from bench.lab.proxy.control import Control
from bench.lab.proxy.facts import learn
from bench.lab.proxy.faults import DESCRIPTIONS
from bench.lab.proxy.server import Proxy
from bench.lab.proxy.settings import ProxySettings, SettingError

_EPILOG = """\
CONFIG is JSON, because it holds passwords (give the file mode 0600, or pipe it in):

  {"backend": {"host": "127.0.0.1", "port": 3306, "user": "root", "password": "..."},
   "accounts": {"app": "the password of app, for the client and for the database"},
   "tokens": {"app": {"key": "app comes in with tokens that are signed with this", "valid_s": 900}},
   "settings": {"IdleClientTimeout": 60},
   "tls": {"authority": "ca.pem", "certificate": "proxy.pem", "key": "proxy.key"},
   "host": "127.0.0.1",
   "listeners": {"main": {"port": 3307, "failure": "idle_close"}},
   "control_port": 3308}

Only backend and accounts must be there. The user of backend is only asked for the server's settings.
When it is ready it prints one line of JSON: host, ports by listener, control_url and pid.

settings, with their defaults:
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a proxy until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.lab.proxy",
        description="A packet-level MySQL proxy with the documented behaviour of RDS Proxy.",
        epilog=_EPILOG + _help_on_settings() + "\nfailures:\n" + _help_on_failures(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", help="configuration file, or - for standard input")
    path = parser.parse_args(arguments).config
    try:
        config = Config.parse(sys.stdin.read() if path == "-" else Path(path).read_text())
        asyncio.run(_run(config))
    except (ConfigError, SettingError, DatabaseUnavailable, OSError) as error:
        sys.exit(f"proxy: {error}")


def _help_on_settings() -> str:
    lines = []
    for entry in fields(ProxySettings):
        low_high = (
            "{} to {} {}".format(*entry.metadata["range"], entry.metadata["unit"])
            if "range" in entry.metadata
            else ""
        )
        lines.append(f"  {entry.metadata['name']:26} {entry.default!s:28} {low_high}".rstrip())
    return "\n".join(lines) + "\n"


def _help_on_failures() -> str:
    return "\n".join(f"  {failure:20} {about.does}" for failure, about in DESCRIPTIONS.items())


def _raise_file_limit() -> None:
    """As many connections as the system lets us have: the usual limit, 1024, is for programs with few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run(config: Config) -> None:
    _raise_file_limit()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    proxy = Proxy(config, learn(config.backend))
    await proxy.open()
    control_url = await Control(proxy).open(config.control_port)
    announcement = {
        "host": config.host,
        "ports": {listener.name: listener.port for listener in proxy.listeners.values()},
        "control_url": control_url,
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(announcement) + "\n")
    sys.stdout.flush()
    gc.collect()
    gc.freeze()  # what is there now stays; collections need not look at it
    housekeeping = asyncio.create_task(proxy.keep_house())
    await stopped.wait()
    housekeeping.cancel()


if __name__ == "__main__":
    main()
