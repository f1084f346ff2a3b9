"""A packet-level MySQL proxy with the documented behaviour of RDS Proxy, and every way a connection dies.

It stands in for RDS Proxy and is not it: what AWS does not document is a choice made here, and says so.
"""

from bench.lab.proxy.config import Port
from bench.lab.proxy.database import Backend
from bench.lab.proxy.faults import DESCRIPTIONS, Failure
from bench.lab.proxy.launch import ControlFailed, RunningProxy, running_proxy
from bench.lab.proxy.settings import ProxySettings, SettingError
from bench.lab.proxy.tokens import Tokens

__all__ = [
    "DESCRIPTIONS",
    "Backend",
    "ControlFailed",
    "Failure",
    "Port",
    "ProxySettings",
    "RunningProxy",
    "SettingError",
    "Tokens",
    "running_proxy",
]
