"""A real MySQL-compatible server: user-supplied, installed, in a container, or fetched."""

from poolbench.lab.mysql.find import install_mysql, installed_mysql, running_server
from poolbench.lab.mysql.server import (
    BadServer,
    RunningServer,
    Server,
    ServerOptions,
    ServerUnavailable,
    create_users,
)

__all__ = [
    "BadServer",
    "RunningServer",
    "Server",
    "ServerOptions",
    "ServerUnavailable",
    "create_users",
    "install_mysql",
    "installed_mysql",
    "running_server",
]
