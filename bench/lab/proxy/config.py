"""What a proxy is started with."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from bench.lab.certificates import Certificate
from bench.lab.ports import LOOPBACK
from bench.lab.proxy.backend import Backend
from bench.lab.proxy.faults import Failure
from bench.lab.proxy.settings import ProxySettings, SettingError
from bench.lab.proxy.tokens import Tokens

MAIN = "main"


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
        if not self.listeners:
            raise ConfigError("listeners: there is none")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `dump` wrote, or what somebody wrote by hand.

        Raises:
            ConfigError: it is not JSON, or a part is missing, unknown or wrong.
            SettingError: a setting is wrong.

        """
        try:
            data = json.loads(text)
            unknown = set(data) - {one.name for one in fields(cls)}
            if unknown:
                raise ConfigError(f"unknown: {', '.join(sorted(unknown))}")
            optional: dict[str, Any] = {}
            if data.get("tls"):
                optional["tls"] = Certificate(**{name: Path(path) for name, path in data["tls"].items()})
            optional |= {name: data[name] for name in ("host", "control_port") if name in data}
            if "tokens" in data:
                optional["tokens"] = {user: Tokens(**entry) for user, entry in data["tokens"].items()}
            if "listeners" in data:
                optional["listeners"] = {
                    name: Port(entry.get("port", 0), Failure(entry.get("failure", Failure.IDLE_CLOSE)))
                    for name, entry in data["listeners"].items()
                }
            return cls(
                backend=Backend(**data["backend"]),
                accounts=dict(data["accounts"]),
                settings=ProxySettings().changed(data.get("settings", {})),
                **optional,
            )
        except (ConfigError, SettingError):
            raise
        except KeyError as missing:
            raise ConfigError(f"{missing} is missing") from None
        except json.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"of another form than described: {error}") from None

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
