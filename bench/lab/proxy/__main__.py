"""Command line: `python -m bench.lab.proxy CONFIG`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.lab.proxy.backend import DatabaseUnavailable
from bench.lab.proxy.config import Config, ConfigError
from bench.lab.proxy.control import Control
from bench.lab.proxy.facts import learn
from bench.lab.proxy.server import Proxy
from bench.lab.proxy.settings import SettingError

_EPILOG = """\
CONFIG is JSON, because it holds passwords (give it mode 0600, or pipe it in):

  {"backend": {"host": "127.0.0.1", "port": 3306, "user": "root", "password": "..."},
   "accounts": {"app": "the password of app"},
   "settings": {"IdleClientTimeout": 60},
   "listen": {"host": "127.0.0.1", "port": 0}}

When it is ready it prints one line of JSON: host, port, control_url and pid.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a proxy until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.lab.proxy",
        description="A packet-level MySQL proxy with the documented behaviour of RDS Proxy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", help="configuration file, or - for standard input")
    path = parser.parse_args(arguments).config
    try:
        config = Config.parse(sys.stdin.read() if path == "-" else Path(path).read_text())
        asyncio.run(_run(config))
    except (ConfigError, SettingError, DatabaseUnavailable, OSError) as error:
        sys.exit(f"proxy: {error}")


async def _run(config: Config) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    proxy = Proxy(config.backend, learn(config.backend), config.accounts, config.settings)
    host, port = await proxy.listen(config.host, config.port)
    control_url = await Control(proxy).listen("127.0.0.1")
    announcement = {"host": host, "port": port, "control_url": control_url, "pid": os.getpid()}
    sys.stdout.write(json.dumps(announcement) + "\n")
    sys.stdout.flush()
    await stopped.wait()


if __name__ == "__main__":
    main()
