"""A real MySQL-compatible server: given, found, in a container, or fetched into a private prefix."""

from poolbench.lab.mysql.find import install_mysql, installed_mysql, running_server
from poolbench.lab.mysql.server import (
    BadServer,
    DatabaseUser,
    RunningServer,
    Server,
    ServerOptions,
    ServerUnavailable,
    create_users,
)

__all__ = [
    "BadServer",
    "DatabaseUser",
    "RunningServer",
    "Server",
    "ServerOptions",
    "ServerUnavailable",
    "create_users",
    "install_mysql",
    "installed_mysql",
    "running_server",
]
