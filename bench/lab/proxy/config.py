"""What a proxy is started with."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from bench.lab.proxy.backend import Backend
from bench.lab.proxy.settings import ProxySettings


class ConfigError(ValueError):
    """The configuration cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The database, the users that the proxy knows, its settings, and where it listens."""

    backend: Backend
    accounts: Mapping[str, str] = field(repr=False)
    settings: ProxySettings
    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one

    @classmethod
    def parse(cls, text: str) -> Self:
        """Inverse of `dump`.

        Raises:
            ConfigError: it is not JSON, or a part is missing or unknown.
            SettingError: a setting is wrong.

        """
        try:
            data = json.loads(text)
            unknown = set(data) - {"backend", "accounts", "settings", "listen"}
            if unknown:
                raise ConfigError(f"unknown in the configuration: {', '.join(sorted(unknown))}")
            return cls(
                backend=Backend(**data["backend"]),
                accounts=dict(data["accounts"]),
                settings=ProxySettings().changed(data.get("settings", {})),
                **data.get("listen", {}),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ConfigError(f"the configuration lacks something or has too much: {error!r}") from None

    def dump(self) -> str:
        """Return JSON, with the passwords."""
        return json.dumps(
            {
                "backend": asdict(self.backend),
                "accounts": dict(self.accounts),
                "settings": self.settings.as_dict(),
                "listen": {"host": self.host, "port": self.port},
            }
        )
