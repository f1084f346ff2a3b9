"""A real MySQL-compatible server: given, found, in a container, or fetched into a private prefix."""

from bench.lab.mysql.accounts import Account, create_accounts
from bench.lab.mysql.find import running_server
from bench.lab.mysql.prefix import install_mysql, installed_mysql
from bench.lab.mysql.server import BadServer, RunningServer, Server, ServerOptions, ServerUnavailable

__all__ = [
    "Account",
    "BadServer",
    "RunningServer",
    "Server",
    "ServerOptions",
    "ServerUnavailable",
    "create_accounts",
    "install_mysql",
    "installed_mysql",
    "running_server",
]
