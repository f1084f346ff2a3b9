"""A packet-level MySQL proxy with the documented behaviour of RDS Proxy, and every way a connection dies.

It stands in for RDS Proxy and is not it: what AWS does not document is a choice made here, and says so.
"""

from poolbench.lab.proxy.config import Port, ProxySettings, SettingError
from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.faults import DESCRIPTIONS, ProxyFault
from poolbench.lab.proxy.handshake import Tokens
from poolbench.lab.proxy.launch import ControlFailed, RunningProxy, running_proxy

__all__ = [
    "DESCRIPTIONS",
    "Backend",
    "ControlFailed",
    "Port",
    "ProxyFault",
    "ProxySettings",
    "RunningProxy",
    "SettingError",
    "Tokens",
    "running_proxy",
]
