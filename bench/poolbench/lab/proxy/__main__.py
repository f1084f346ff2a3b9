"""Command line: `python -m poolbench.lab.proxy CONFIG`."""

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from poolbench.lab.internals import MissingInternals, check_pymysql
from poolbench.lab.platform import raise_file_limit
from poolbench.lab.proxy import control
from poolbench.lab.proxy.config import ConfigError, ProxyConfig, ProxySettings, SettingError
from poolbench.lab.proxy.database import learn
from poolbench.lab.proxy.errors import DatabaseUnavailable
from poolbench.lab.proxy.faults import DESCRIPTIONS
from poolbench.lab.proxy.server import Proxy

_EPILOG = """\
Try it, with a MySQL or MariaDB server at hand:

  $ echo '{"backend": {"host": "127.0.0.1", "port": 3306, "user": "root", "password": "..."},
           "accounts": {"app": "..."}, "listeners": {"main": {"port": 3307}}, "control_port": 3308,
           "settings": {"IdleClientTimeout": 60}}' | python -m poolbench.lab.proxy - &
  $ mysql -h 127.0.0.1 -P 3307 -u app -p
  $ curl -X PUT -d '{"failure": "idle_reset"}' http://127.0.0.1:3308/listeners/main
  $ curl http://127.0.0.1:3308/events

CONFIG is JSON, because it holds passwords: give the file mode 0600, or pipe it in.

  backend       address of the database, and a user whom the proxy only asks for the server's settings.
                With "authority": FILE (PEM) the proxy uses TLS and checks the server's certificate and
                host name; "check_hostname": false skips the latter, as needed for a tunnel
  accounts      user to password: who may log in, and how the proxy logs in to the database
  tokens        {USER: {"key": ..., "valid_s": 900}}: these users log in with tokens signed with that key,
                not with their password
  settings      see below; the names are those of AWS
  tls           {"authority": FILE, "certificate": FILE, "key": FILE}, all PEM; clients may then use TLS.
                `python -m poolbench.lab.certificates FOLDER` makes them
  host          address to listen on, default 127.0.0.1; any other than loopback needs RequireTLS
  listeners     {NAME: {"port": NUMBER, "failure": ...}}; default: "main" with idle_close. All listeners
                share one pool of database connections
  control_port  port of the control API, which is always on loopback; default: any free one

Only backend and accounts are required. When the proxy is ready it prints one line of JSON: host, ports by
listener, control_url and pid. SIGTERM or Ctrl-C ends it and all connections.

settings, their defaults and ranges:
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a proxy until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m poolbench.lab.proxy",
        description="A packet-level MySQL proxy with the documented behaviour of RDS Proxy.",
        epilog=(
            f"{_EPILOG}{_help_on_settings()}\nfailures, that is, how the clients of a listener die:\n"
            f"{_help_on_failures()}\n\ncontrol API:\n{control.HELP}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", help="configuration file, or - for standard input")
    path = parser.parse_args(arguments).config
    try:
        check_pymysql()
        config = ProxyConfig.parse(sys.stdin.read() if path == "-" else Path(path).read_text())
        asyncio.run(_run(config))
    except (MissingInternals, ConfigError, SettingError, DatabaseUnavailable, OSError) as error:
        sys.exit(f"proxy: {error}")


def _help_on_settings() -> str:
    lines = []
    for entry in fields(ProxySettings):
        name, default = entry.metadata["name"], json.dumps(entry.default)
        if "range" in entry.metadata:
            default += " ({}-{} {})".format(*entry.metadata["range"], entry.metadata["unit"])
        lines.append(f"  {name:26} {default:29} {entry.metadata['does']}")
    return "\n".join(lines) + "\n"


def _help_on_failures() -> str:
    return "\n".join(f"  {failure:20} {about.does}" for failure, about in DESCRIPTIONS.items())


async def _run(config: ProxyConfig) -> None:
    raise_file_limit()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    proxy = Proxy(config, learn(config.backend))
    await proxy.open()
    control_url = await control.ProxyControl(proxy).open(config.control_port)
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
    housekeeping.add_done_callback(lambda _: stopped.set())
    await stopped.wait()
    if housekeeping.done():
        housekeeping.result()  # it ends only by an unforeseen error, which is raised here
    # Not by asyncio's own end, which waits for threads: one may be logging in to a database that hangs.
    os._exit(0)


if __name__ == "__main__":
    main()
