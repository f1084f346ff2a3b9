"""A real MySQL-compatible server: given, found, in a container, or fetched into a private prefix."""

from poolbench.lab.mysql.accounts import Account, create_accounts
from poolbench.lab.mysql.find import running_server
from poolbench.lab.mysql.prefix import install_mysql, installed_mysql
from poolbench.lab.mysql.server import BadServer, RunningServer, Server, ServerOptions, ServerUnavailable

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
