"""What a proxy is started with."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from poolbench.lab.certificates import Certificate
from poolbench.lab.ports import LOOPBACK
from poolbench.lab.proxy.database import Backend
from poolbench.lab.proxy.faults import Failure
from poolbench.lab.proxy.settings import ProxySettings
from poolbench.lab.proxy.tokens import Tokens
from poolbench.lab.proxy.typed_json import WrongForm, read_dataclass

MAIN = "main"
MAX_PORT = 65_535


class ConfigError(ValueError):
    """The configuration cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port to listen on, 0 for any free one, and the failure that rules there."""

    port: int = 0
    failure: Failure = Failure.IDLE_CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The database, the users that the proxy knows, its settings, and where it listens.

    Away from loopback, TLS is required of every client: passwords and data would be there for all to read.
    """

    backend: Backend
    accounts: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, Tokens] = field(default_factory=dict)  # users who come with a token, not a password
    settings: ProxySettings
    tls: Certificate | None = None
    host: str = LOOPBACK
    listeners: Mapping[str, Port] = field(default_factory=lambda: {MAIN: Port()})
    control_port: int = 0  # of the control API; 0 for any free one

    def __post_init__(self) -> None:
        try:
            is_loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            raise ConfigError(f"host: {self.host!r} is no IP address") from None
        if self.settings.require_tls and self.tls is None:
            raise ConfigError("RequireTLS: there is no certificate; give tls")
        if not (is_loopback or self.settings.require_tls):
            raise ConfigError(f"host: {self.host} is not loopback; set RequireTLS")
        if strangers := sorted(self.tokens.keys() - self.accounts.keys()):
            raise ConfigError(f"tokens: {strangers[0]} needs a password for the database, in accounts")
        if not self.listeners:
            raise ConfigError("listeners: there is none")
        ports = {f"listeners.{name}.port": listener.port for name, listener in self.listeners.items()}
        for name, port in {
            "control_port": self.control_port,
            "backend.port": self.backend.port,
            **ports,
        }.items():
            if not 0 <= port <= MAX_PORT:
                raise ConfigError(f"{name}: {port} is out of range, 0 to {MAX_PORT}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `dump` wrote, or what somebody wrote by hand.

        Raises:
            ConfigError: it is not JSON, or a part is missing, unknown or wrong.
            SettingError: a setting is wrong.

        """
        try:
            data = json.loads(text)
            named = data.pop("settings", {}) if isinstance(data, dict) else {}
            config: Self = read_dataclass(cls, data, settings=ProxySettings().changed(named))
        except json.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from None
        except WrongForm as error:
            raise ConfigError(str(error)) from None
        return config

    def dump(self) -> str:
        """Return JSON, with the passwords."""
        tls = {name: str(path) for name, path in asdict(self.tls).items()} if self.tls else None
        return json.dumps(
            {
                "backend": asdict(self.backend),
                "accounts": dict(self.accounts),
                "tokens": {user: asdict(tokens) for user, tokens in self.tokens.items()},
                "settings": self.settings.as_dict(),
                "tls": tls,
                "host": self.host,
                "listeners": {name: asdict(port) for name, port in self.listeners.items()},
                "control_port": self.control_port,
            }
        )
